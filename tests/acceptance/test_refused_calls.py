"""Calls that cannot be served: one typed error that says what was found and what to do, and not a byte is written."""

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Command, Saver, StateGraph
from perdure.app import CompiledGraph
from perdure.errors import (
    EmptyInputError,
    EncodeError,
    InvalidUpdateError,
    MissingThreadError,
    NothingPendingError,
    PerdureError,
    UnknownCheckpointError,
    UsageError,
)
from tests.acceptance.untouched import untouched

pytestmark = pytest.mark.anyio

HERE: Any = {"thread_id": "here"}
NOWHERE: Any = {"thread_id": "nowhere"}
ONE: Any = {"thread_id": 1}


class State(TypedDict, total=False):
    count: int
    log: Annotated[list[Any], operator.add]


def step(state: State) -> State:
    return {"count": state.get("count", 0) + 1}


@pytest.fixture
def graph(saver: Saver) -> CompiledGraph:
    """A graph with two finished threads, `here` and `there`."""
    graph = StateGraph(State).add_node("step", step).add_edge(START, "step").add_edge("step", END).compile(saver)
    graph.invoke({"count": 0, "log": []}, HERE)
    graph.invoke({"count": 7, "log": []}, {"thread_id": "there"})
    return graph


def foreign(graph: CompiledGraph) -> Any:
    """Return a config of thread `here` with a checkpoint id of thread `there`."""
    config: Any = graph.get_state({"thread_id": "there"}).config
    return {**HERE, "checkpoint_id": config["configurable"]["checkpoint_id"]}


def names(table: Sequence[tuple[Any, ...]]) -> list[str]:
    return [str(row[0]) for row in table]


def bodies(table: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[1:] for row in table]


CONFIGS: list[tuple[str, Any, type[PerdureError], str]] = [
    ("no config", None, MissingThreadError, r'pass config=\{"thread_id"'),
    ("no thread id", {"configurable": {}}, MissingThreadError, r'pass config=\{"thread_id"'),
    ("empty thread id", {"thread_id": ""}, UsageError, "thread_id is empty"),
    ("fraction as thread id", {"thread_id": 1.0}, UsageError, "must be a text.*found float"),
    ("truth as thread id", {"thread_id": True}, UsageError, "must be a text.*found bool"),
    ("bytes under configurable", {"configurable": {"thread_id": b"a"}}, UsageError, "must be a text.*found bytes"),
    (
        "two thread ids",
        {"thread_id": "a", "configurable": {"thread_id": "b"}},
        UsageError,
        "two values of thread_id: 'a', and 'b'",
    ),
    ("too long a thread id", {"thread_id": "x" * 600}, UsageError, "512"),
    ("NUL in a thread id", {"thread_id": "a\0b"}, UsageError, "NUL"),
    ("lone surrogate", {"thread_id": "\ud800"}, UsageError, "surrogate"),
    ("unknown checkpoint", {**HERE, "checkpoint_id": "nothing"}, UnknownCheckpointError, "no checkpoint 'nothing'"),
    (
        "forged checkpoint",
        {**HERE, "checkpoint_id": "main-00000002-0000000000000000"},
        UnknownCheckpointError,
        "Thread 'here' has no checkpoint",
    ),
    ("unknown branch", {**HERE, "branch": "side"}, UsageError, "side"),
    ("text as config", "here", UsageError, "config"),
    ("text as configurable", {"configurable": "here"}, UsageError, "configurable"),
]


@pytest.mark.parametrize(("config", "error", "found"), bodies(CONFIGS), ids=names(CONFIGS))
async def test_wrong_place(
    graph: CompiledGraph, saver: Saver, config: Any, error: type[PerdureError], found: str
) -> None:
    """Whatever a call is for, a config that addresses nothing is refused in the same words."""
    with untouched(saver):
        with pytest.raises(error, match=found):
            graph.invoke({"count": 1}, config)
        with pytest.raises(error, match=found):
            await graph.ainvoke({"count": 1}, config)
        with pytest.raises(error, match=found):
            list(graph.stream(None, config))
        with pytest.raises(error, match=found):
            _ = [part async for part in graph.astream(None, config)]
        with pytest.raises(error, match=found):
            graph.get_state(config)
        with pytest.raises(error, match=found):
            await graph.aupdate_state(config, {"count": 1}, as_node="step")


async def test_number_as_thread_id_is_its_text(graph: CompiledGraph, saver: Saver) -> None:
    """1 and "1" are one thread, not two, flat or under `configurable`."""
    graph.invoke({"count": 1, "log": []}, ONE)
    assert graph.get_state({"configurable": {"thread_id": "1"}}).values["count"] == 2
    assert [one.thread_id for one in saver.list_threads()] == ["1", "here", "there"]


BOUNDS: list[tuple[str, dict[str, Any], str]] = [
    ("recursion limit zero", {"recursion_limit": 0}, "at least 1, found 0"),
    ("recursion limit negative", {"recursion_limit": -3}, "at least 1, found -3"),
    ("recursion limit text", {"recursion_limit": "10"}, "at least 1, found str"),
    ("no worker", {"max_concurrency": 0}, "max_concurrency"),
    ("workers as text", {"max_concurrency": "2"}, "max_concurrency"),
]


@pytest.mark.parametrize(("bounds", "found"), bodies(BOUNDS), ids=names(BOUNDS))
async def test_wrong_bounds(graph: CompiledGraph, saver: Saver, bounds: Any, found: str) -> None:
    """Limits are read before anything runs."""
    bounds = {**HERE, **bounds}
    with untouched(saver):
        with pytest.raises(UsageError, match=found):
            graph.invoke({"count": 1}, bounds)
        with pytest.raises(UsageError, match=found):
            await graph.ainvoke({"count": 1}, bounds)


OPTIONS: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("unknown mode", {"stream_mode": "valuez"}, UsageError, "no stream mode 'valuez'.*values"),
    ("unknown mode in a list", {"stream_mode": ["values", "valuez"]}, UsageError, "no stream mode 'valuez'"),
    ("unknown option", {"stream_modes": "values"}, TypeError, "stream_modes.*stream_mode"),
    ("unknown durability", {"durability": "never"}, UsageError, "never.*sync"),
    ("unknown node", {"interrupt_before": ["stop"]}, UsageError, "stop.*step"),
    ("unknown node after", {"interrupt_after": ["stop"]}, UsageError, "stop.*step"),
    ("unknown output key", {"output_keys": ["sum"]}, UsageError, "sum.*count"),
]


@pytest.mark.parametrize(("options", "error", "found"), bodies(OPTIONS), ids=names(OPTIONS))
async def test_wrong_option(
    graph: CompiledGraph, saver: Saver, options: Any, error: type[Exception], found: str
) -> None:
    """What an option does not know is named beside what it knows."""
    with untouched(saver):
        with pytest.raises(error, match=found):
            graph.invoke({"count": 1}, HERE, **options)
        with pytest.raises(error, match=found):
            await graph.ainvoke({"count": 1}, HERE, **options)
        with pytest.raises(error, match=found):
            list(graph.stream({"count": 1}, HERE, **options))


INPUTS: list[tuple[str, Any, type[PerdureError], str]] = [
    ("unknown key", {"cuont": 1}, UsageError, "unknown key 'cuont'.*did you mean 'count'"),
    ("no dict", [1], UsageError, "must be a dict of state keys.*found list"),
    ("text", "hello", UsageError, "found str"),
    ("value that cannot be stored", {"log": [1, {"image": object()}]}, EncodeError, r"\$\.log\[1\]\.image"),
    ("empty command", Command(), UsageError, "resume, update or goto"),
    (
        "command for a graph around",
        Command(graph=Command.PARENT, update={}),
        InvalidUpdateError,
        "parent|around",
    ),
    ("command with an unknown key", Command(update={"cuont": 1}), InvalidUpdateError, "unknown key 'cuont'"),
    ("command to an unknown node", Command(goto="stepp"), InvalidUpdateError, "no node 'stepp'.*'step'"),
    ("command that cannot be stored", Command(update={"log": [object()]}), EncodeError, r"\$\.log\[0\]"),
    ("answer to nobody", Command(resume="yes"), NothingPendingError, "waits for no answer"),
]


@pytest.mark.parametrize(("given", "error", "found"), bodies(INPUTS), ids=names(INPUTS))
@pytest.mark.parametrize("place", [HERE, {"thread_id": "new"}], ids=["a finished thread", "a new thread"])
async def test_wrong_input(
    graph: CompiledGraph, saver: Saver, place: Any, given: Any, error: type[PerdureError], found: str
) -> None:
    """An input that cannot be accepted is refused before its run begins, on old threads and new ones."""
    with untouched(saver):
        with pytest.raises(error, match=found):
            graph.invoke(given, place)
        with pytest.raises(error, match=found):
            await graph.ainvoke(given, place)
        with pytest.raises(error, match=found):
            list(graph.stream(given, place))
    assert graph.invoke({"count": 1, "log": []}, place)["count"] == 2


UPDATES: list[tuple[str, Any, str | None, str]] = [
    ("unknown key", {"cuont": 1}, "step", "unknown key 'cuont'.*did you mean 'count'"),
    ("no dict", 3, "step", "found int"),
    ("unknown node", {"count": 1}, "stepp", "no node 'stepp'.*Did you mean 'step'"),
    ("values for END", {"count": 1}, END, "takes no values"),
]


@pytest.mark.parametrize(("values", "node", "found"), bodies(UPDATES), ids=names(UPDATES))
async def test_wrong_update(graph: CompiledGraph, saver: Saver, values: Any, node: str | None, found: str) -> None:
    """An update that does not fit the state or the graph writes nothing."""
    with untouched(saver):
        with pytest.raises(InvalidUpdateError, match=found):
            graph.update_state(HERE, values, as_node=node)
        with pytest.raises(InvalidUpdateError, match=found):
            await graph.aupdate_state(HERE, values, as_node=node)


def test_no_update_at_all(graph: CompiledGraph, saver: Saver) -> None:
    """Empty lists of updates are refused; so is an update that cannot be stored, with its path."""
    with untouched(saver):
        with pytest.raises(UsageError, match="No supersteps provided"):
            graph.bulk_update_state(HERE, [])
        with pytest.raises(UsageError, match="No updates provided"):
            graph.bulk_update_state(HERE, [[]])
        with pytest.raises(EncodeError, match=r"\$\.log\[0\]"):
            graph.update_state(HERE, {"log": [object()]}, as_node="step")


async def test_unknown_thread(graph: CompiledGraph, saver: Saver) -> None:
    """Reading it shows nothing, going on with it is refused, and neither creates it."""
    with untouched(saver):
        empty = graph.get_state(NOWHERE)
        assert (empty.next, empty.tasks, empty.metadata, empty.created_at, empty.parent_config) == (
            (),
            (),
            None,
            None,
            None,
        )
        assert list(graph.get_state_history(NOWHERE)) == []
        assert graph.thread("nowhere").events() == []
        with pytest.raises(EmptyInputError, match="'nowhere' has nothing to go on from: pass an input"):
            graph.invoke(None, NOWHERE)
        with pytest.raises(EmptyInputError, match="'nowhere'"):
            await graph.ainvoke(None, NOWHERE)
    assert [one.thread_id for one in saver.list_threads()] == ["here", "there"]


CHECKPOINT_USES: dict[str, Callable[[CompiledGraph, Any], object]] = {
    "invoke": lambda graph, config: graph.invoke(None, config),
    "get_state": lambda graph, config: graph.get_state(config),
    "history": lambda graph, config: list(graph.get_state_history(config)),
    "before": lambda graph, config: list(graph.get_state_history(HERE, before=config)),
    "update": lambda graph, config: graph.update_state(config, {"count": 1}, as_node="step"),
    "fork": lambda graph, config: graph.thread("here").fork(config["checkpoint_id"]),
    "state at": lambda graph, config: graph.thread("here").state(at=config["checkpoint_id"]),
}


@pytest.mark.parametrize("use", CHECKPOINT_USES.values(), ids=CHECKPOINT_USES)
def test_checkpoint_of_another_thread(
    graph: CompiledGraph, saver: Saver, use: Callable[[CompiledGraph, Any], object]
) -> None:
    """A checkpoint id of one thread means nothing in another, whatever it is used for."""
    with untouched(saver), pytest.raises(UnknownCheckpointError, match="Thread 'here' has no checkpoint"):
        use(graph, foreign(graph))
