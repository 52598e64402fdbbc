"""User code is inspected once: which worlds it can run in, what it wants, what it says about its input and result."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypedDict

import pytest

from perdure.definition.callables import UserCallable
from perdure.errors import GraphDefinitionError
from perdure.types import Command, RunnableConfig, StreamWriter


class State(TypedDict):
    x: int


def plain(state: State) -> Command[Literal["a"]]:
    return Command(goto="a")


async def waiting(state: State) -> dict[str, int]:
    return {"x": 1}


class Service:
    def method(self, state: State) -> None:
        """Take the state."""

    def __call__(self, state: State, config: RunnableConfig) -> None:
        """Take the state and the config."""


class AsyncService:
    async def __call__(self, state: State) -> None:
        """Take the state."""


@dataclass
class Runnable:
    name: str = "chain"

    def invoke(self, input: Any, config: Any = None) -> Any:
        return input

    async def ainvoke(self, input: Any, config: Any = None) -> Any:
        return input


def wanting(state: State, extra: int, config: RunnableConfig) -> None:
    """Want more."""


def gives(state: State) -> Iterator[int]:
    yield 1


async def agives(state: State) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("target", "name", "sync", "async_"),
    [
        (plain, "plain", True, False),
        (waiting, "waiting", False, True),
        (Service().method, "method", True, False),
        (Service(), "Service", True, False),
        (AsyncService(), "AsyncService", False, True),
        (partial(plain), "partial", True, False),
        (partial(waiting), "partial", False, True),
        (lambda state: None, "<lambda>", True, False),
        (Runnable(), "chain", True, True),
        (len, "len", True, False),
        (dict, "dict", True, False),
    ],
)
def test_in_which_world_code_runs(target: Any, name: str, sync: bool, async_: bool) -> None:
    """Sync and async code of every shape is told apart, and named as users expect."""
    call = UserCallable.of(target)
    assert (call.name, call.sync is not None, call.async_ is not None) == (name, sync, async_)
    assert UserCallable.of(target, "given").name == "given"


@pytest.mark.parametrize(
    "target", [plain, waiting, Service().method, Service(), AsyncService(), partial(wanting, extra=1)]
)
def test_the_annotation_of_the_input_is_known(target: Any) -> None:
    """It says what a node wants to see of the state."""
    assert UserCallable.of(target).takes is State


def test_the_annotation_of_the_result_is_known() -> None:
    """It may say where commands go."""
    assert UserCallable.of(plain).returns == Command[Literal["a"]]


def test_an_annotation_that_cannot_be_resolved_is_none() -> None:
    """And it does not hide the others."""

    def half(state: "Nowhere") -> int:  # type: ignore[name-defined]  # noqa: F821 -- the point
        return 1

    assert (UserCallable.of(half).takes, UserCallable.of(half).returns) == (None, int)


all_of_them: Any = lambda state, config, writer, store, previous, runtime: None  # noqa: E731 -- no annotations


def typed(state: State, *, config: RunnableConfig | None = None, writer: StreamWriter) -> None:
    """Ask by keyword."""


def texts(state: State, config: "RunnableConfig | None", error: "NodeError") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Ask with annotations that stay text."""


def others(state: State, config: int = 7, error: str = "", writer: str = "") -> None:
    """Use the names for something else."""


def named_config(config: dict[str, int]) -> None:
    """Call the state `config`."""


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (plain, set()),
        (all_of_them, {"config", "writer", "store", "previous", "runtime"}),
        (typed, {"config", "writer"}),
        (texts, {"config", "error"}),
        (others, set()),
        (named_config, set()),
        (Service(), {"config"}),
        (Runnable(), {"config"}),
        (partial(all_of_them, config=5), {"writer", "store", "previous", "runtime"}),
    ],
)
def test_what_is_injected(target: Any, expected: set[str]) -> None:
    """By name, where the annotation agrees; never the input itself, nor what a partial has bound."""
    assert UserCallable.of(target).injects == expected


def test_a_call_gets_what_it_wants() -> None:
    """By name, and nothing else."""
    assert UserCallable.of(typed).injects == {"config", "writer"}
    assert "store" in UserCallable.of(all_of_them).injects
    assert UserCallable.of(plain).injects == frozenset()


def nothing() -> None:
    """Take nothing."""


def keyword_only(*, state: State) -> None:
    """Take no positional argument."""


untyped_error: Any = lambda state, error: None  # noqa: E731 -- no annotations


def wrong_config(state: State, config: dict[str, int]) -> None:
    """Ask for a config of another type."""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (nothing, r"def nothing\(state\)"),
        (keyword_only, "takes no positional argument"),
        (wanting, "'wanting' requires the argument 'extra'"),
        (untyped_error, "Annotate it as NodeError"),
        (wrong_config, "Annotate it as RunnableConfig"),
        (gives, "generator function"),
        (agives, "generator function"),
        (partial(gives), "generator function"),
        ({"a": 1}, "no code that can be called, but dict"),
    ],
)
def test_what_cannot_be_called_with_a_state(target: Any, message: str) -> None:
    """It is refused before anything runs, with its mend."""
    with pytest.raises(GraphDefinitionError, match=message):
        UserCallable.of(target)


def test_free_code_takes_what_its_caller_passes() -> None:
    """Only the generator check is left."""
    targets: list[Callable[..., Any]] = [nothing, wanting, keyword_only]
    assert [UserCallable.of(target, free=True).injects for target in targets] == [set(), {"config"}, set()]
