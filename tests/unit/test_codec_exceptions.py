"""Exceptions as values: what they say survives, no code of theirs runs when they are read."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from perdure.codecs import RemoteError, dumps, loads, register_type, to_tree
from perdure.errors import DecodeError, EncodeError


def _not_found() -> OSError:
    try:
        Path("/no/such/file").read_bytes()
    except OSError as exc:
        return exc
    raise AssertionError("the file exists")


def _undecodable() -> UnicodeDecodeError:
    try:
        b"\xff".decode()
    except UnicodeDecodeError as exc:
        return exc
    raise AssertionError("the byte is text")


BUILT_IN: list[Exception] = [
    ValueError("bad", 1, ("a",)),
    KeyError("k"),
    Exception(),
    StopIteration(3),
    ZeroDivisionError("division by zero"),
    OSError("plain"),
    TimeoutError(),
    ExceptionGroup("both", [ValueError("a"), ExceptionGroup("inner", [KeyError(1)])]),
    _not_found(),
    _undecodable(),
    NotImplementedError("\ud800"),
]


@pytest.mark.parametrize("value", BUILT_IN, ids=lambda value: type(value).__name__)
def test_a_built_in_comes_back(value: Exception) -> None:
    """A built-in exception keeps its type, arguments, message and notes."""
    value.add_note("while testing")
    found = loads(dumps([value]))[0]
    assert (type(value), repr(value), str(value)) == (type(found), repr(found), str(found))
    assert found.__notes__ == value.__notes__
    assert vars(value) == vars(found)


class PlainError(Exception):
    """Nobody registers it."""


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nothing to say")


CALLS: list[str] = []


class StatusError(ConnectionError):
    """Registered; its constructor takes other arguments than it passes on, and leaves a trace."""

    def __init__(self, status: int, reason: str) -> None:
        CALLS.append("init")
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@pytest.fixture(autouse=True)
def _register() -> None:
    register_type(StatusError, name="test.StatusError", version=2, upcast=_from_version_1)
    CALLS.clear()


def _from_version_1(version: int, stored: Any) -> Any:
    return {"args": stored["args"], "state": {**stored["state"], "reason": f"from {version}"}}


def test_an_unregistered_exception_becomes_a_remote_error() -> None:
    """Its type's name and its message survive, and encode again to the same bytes."""
    found = loads(dumps(PlainError("lost", 7)))
    assert isinstance(found, RemoteError)
    assert (found.type_name, found.message) == (f"{__name__}.PlainError", "('lost', 7)")
    assert str(found) == f"{__name__}.PlainError: ('lost', 7)"
    assert dumps(found) == dumps(loads(dumps(found)))


@pytest.mark.parametrize("value", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
def test_an_exit_is_data(value: BaseException) -> None:
    """What ends a program when it is raised does not come back as itself."""
    assert type(loads(dumps(value))) is RemoteError


def test_a_registered_exception_keeps_its_attributes() -> None:
    """It comes back with arguments and attributes; its `__init__` does not run."""
    value = StatusError(404, "gone")
    value.add_note("after a retry")
    CALLS.clear()
    found = loads(dumps(value))
    assert CALLS == []
    assert type(found) is StatusError
    assert (found.args, vars(found)) == (("404 gone",), vars(value))
    assert str(found) == "404 gone"


def test_a_registered_exception_is_upcast() -> None:
    """An older version's record is brought up to date; a newer one is refused."""
    tree = to_tree(StatusError(404, "gone"))
    assert isinstance(tree, dict)
    record = tree["v"]
    assert isinstance(record, dict)
    record["version"] = 1
    assert loads(orjson.dumps(tree)).reason == "from 1"
    record["version"] = 3
    with pytest.raises(DecodeError, match="versions up to 2"):
        loads(orjson.dumps(tree))


def test_an_attribute_that_cannot_be_stored_is_named() -> None:
    """A registered exception is stored exactly or not at all."""
    value = StatusError(1, "a")
    value.reason = object()  # type: ignore[assignment]
    with pytest.raises(EncodeError) as caught:
        dumps({"error": value})
    assert caught.value.path == "$.error.reason"
    value = StatusError(1, "a")
    value.args = (1, object())
    with pytest.raises(EncodeError) as caught:
        dumps({"error": value})
    assert caught.value.path == "$.error.args[1]"


def test_arguments_that_cannot_be_stored_leave_the_message() -> None:
    """Of an exception that nobody registered, what can be stored is stored."""
    assert repr(loads(dumps(ValueError(max)))) == repr(ValueError("<built-in function max>"))
    found = loads(dumps(ExceptionGroup("all", [ValueError("x")])))
    assert str(found) == "all (1 sub-exception)"


def test_a_message_that_raises_is_replaced() -> None:
    """An exception whose `__str__` fails can still be stored."""
    assert loads(dumps(SilentError())).message == "(its message cannot be shown: RuntimeError)"


def test_endless_exceptions_are_stored_as_far_as_they_fit() -> None:
    """An exception that is its own argument, or one of very many, costs its deepest arguments only."""
    own = ValueError()
    own.args = (own,)
    chain: Exception = ValueError("innermost")
    for _ in range(2_000):
        chain = ExceptionGroup("outer", [chain])
    for value in (own, chain):
        data = dumps(value)
        assert type(loads(data)) is type(value)


def test_notes_that_are_no_text_are_left_out() -> None:
    """Notes are text; whatever else somebody put there is not kept."""
    value = ValueError("a")
    value.__notes__ = ["b", 1]  # type: ignore[list-item]
    assert loads(dumps(value)).__notes__ == ["b"]
    value.__notes__ = "c"  # type: ignore[assignment]
    assert not hasattr(loads(dumps(value)), "__notes__")
