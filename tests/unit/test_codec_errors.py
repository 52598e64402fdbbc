"""What cannot be stored says where it stands and what it is; nothing is written in some other form instead."""

import re
import sys
import threading
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple

import orjson
import pydantic
import pytest

from perdure.codecs import dumps, from_tree, loads, register_type, to_tree
from perdure.codecs.tree import MAX_DEPTH
from perdure.errors import DecodeError, EncodeError


class Alien:
    """A class that nobody registered."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Text(str):
    __slots__ = ()


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Shade(Enum):
    DARK = 1


class Point(NamedTuple):
    x: int


@dataclass
class Box:
    content: Any


class Model(pydantic.BaseModel):
    content: Any


@dataclass
class Known:
    content: Any


@pytest.fixture(autouse=True)
def _register() -> None:
    register_type(Known)


ALIEN = Alien()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (ALIEN, "$"),
        ({"messages": [1, {"image": ALIEN}]}, "$.messages[1].image"),
        ({"odd key": ALIEN}, '$["odd key"]'),
        ({'quo"te': ALIEN}, '$["quo\\"te"]'),
        ({"größe": ALIEN}, "$.größe"),
        ({"\ud800": ALIEN}, '$["\\ud800"]'),
        ({"$": ALIEN}, '$["$"]'),
        ({1: {"a": ALIEN}}, "$[1].a"),
        ({(1, 2): [ALIEN]}, "$[(1, 2)][0]"),
        ({"a": {ALIEN: 1}}, "$.a"),
        ({"a": {(1, ALIEN): 1}}, "$.a"),
        ({"a": {ALIEN}}, "$.a[*]"),
        ({"a": frozenset({(1, ALIEN)})}, "$.a[*][1]"),
        ({10**5000: ALIEN}, "$[a huge int]"),
        ((1, (2, ALIEN)), "$[1][1]"),
        (deque([1, ALIEN]), "$[1]"),
        (OrderedDict(a=[ALIEN]), "$.a[0]"),
        (defaultdict(list, a=[ALIEN]), "$.a[0]"),
        (slice(1, ALIEN), "$[1]"),
        ({"known": [Known({"x": ALIEN})]}, "$.known[0].content.x"),
        ([0, 1, {"a": [Known([ALIEN])]}], "$[2].a[0].content[0]"),
    ],
)
def test_the_path_is_exact(value: Any, path: str) -> None:
    """The error names the place, the type and what to do."""
    with pytest.raises(EncodeError) as caught:
        to_tree(value)
    assert caught.value.path == path
    assert caught.value.type_name == f"{__name__}.Alien"
    assert path in str(caught.value)
    assert "perdure.register_type(Alien, encode=…, decode=…)" in str(caught.value)


def test_the_path_begins_where_the_caller_says() -> None:
    """A value that stands somewhere is named from there."""
    with pytest.raises(EncodeError) as caught:
        to_tree([ALIEN], "$.messages")
    assert caught.value.path == "$.messages[0]"


@pytest.mark.parametrize("value", [Level.LOW, Word.YES, Shade.DARK, Point(1), Box(1), Model(content=1)], ids=repr)
def test_an_unregistered_type_says_how_to_register_it(value: Any) -> None:
    """Orjson would write these as something else; here they are refused until they are registered."""
    name = type(value).__name__
    with pytest.raises(EncodeError, match=re.escape(f"register it: perdure.register_type({name})")) as caught:
        dumps({"a": value})
    assert (caught.value.path, caught.value.type_name) == ("$.a", f"{__name__}.{name}")


@pytest.mark.parametrize(
    "value",
    [Text("a"), UserDict(), re.compile("a"), memoryview(b"a"), int, len, iter([1]), sys, {}.keys(), ...],
    ids=lambda value: type(value).__name__,
)
def test_no_type_slips_through(value: Any) -> None:
    """Subclasses of built-ins, patterns, classes, functions and generators are refused, as values and as keys."""
    with pytest.raises(EncodeError):
        dumps([value])
    with pytest.raises(EncodeError):
        dumps({value: 1} if not isinstance(value, UserDict | type({}.keys())) else value)


def test_only_known_factories_are_stored() -> None:
    """A defaultdict of an arbitrary function is refused, also when the function has a known one's name."""

    def list() -> int:
        return 1

    for factory in (lambda: 1, list):
        with pytest.raises(EncodeError, match="has the factory"):
            dumps({"a": defaultdict(factory)})


def _wrap(make: Callable[[Any], Any], times: int) -> Any:
    value: Any = 1
    for _ in range(times):
        value = make(value)
    return value


WRAPPERS: list[Callable[[Any], Any]] = [
    lambda inner: [inner],
    lambda inner: {"a": inner},
    lambda inner: {1: inner},
    lambda inner: (inner,),
    lambda inner: frozenset({inner}),
    lambda inner: deque([inner]),
    lambda inner: defaultdict(None, a=inner),
    Known,
]


@pytest.mark.parametrize("make", WRAPPERS)
def test_depth_is_bounded(make: Callable[[Any], Any]) -> None:
    """What is not too deep comes back; what is too deep is refused with its path, never with a RecursionError."""
    fits = 0
    for times in (MAX_DEPTH // 4 - 1, MAX_DEPTH // 2 - 2, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 5_000):
        value = _wrap(make, times)
        try:
            data = dumps(value)
        except EncodeError:
            with pytest.raises(EncodeError, match="nested too deep"):
                dumps(value)
        else:
            fits += 1
            assert data == dumps(loads(data))
    assert fits >= 1


def test_a_list_may_be_as_deep_as_promised() -> None:
    """Lists nest `MAX_DEPTH` levels and one."""
    assert loads(dumps(_wrap(lambda inner: [inner], MAX_DEPTH + 1)))[0]
    with pytest.raises(EncodeError) as caught:
        dumps(_wrap(lambda inner: [inner], MAX_DEPTH + 2))
    assert caught.value.path == "$" + "[0]" * (MAX_DEPTH + 1)


def _cycles() -> list[tuple[Any, str]]:
    own: list[Any] = [1]
    own.append(own)
    parent: dict[str, Any] = {"children": []}
    parent["children"].append({"parent": parent})
    node = Known(None)
    node.content = [node]
    ring: deque[Any] = deque()
    ring.append((ring,))
    odd: dict[Any, Any] = {}
    odd[1] = odd
    return [
        (own, "$[1]"),
        ({"a": parent}, "$.a.children[0].parent"),
        (node, "$.content[0]"),
        (ring, "$[0][0]"),
        (odd, "$[1]"),
    ]


@pytest.mark.parametrize(("value", "path"), _cycles(), ids=["list", "dict", "dataclass", "deque", "odd-dict"])
def test_a_cycle_is_named(value: Any, path: str) -> None:
    """A value that contains itself is refused at the place where it does so first."""
    with pytest.raises(EncodeError, match="contains itself") as caught:
        dumps(value)
    assert caught.value.path == path


def test_little_stack_is_no_recursion_error() -> None:
    """A caller who is deep in the stack gets an EncodeError or a DecodeError."""
    value = _wrap(lambda inner: {1: inner}, 30)
    data = dumps(value)

    def dive(levels: int) -> None:
        if levels:
            return dive(levels - 1)
        with pytest.raises(EncodeError, match="nested too deep"):
            dumps(value)
        with pytest.raises(DecodeError):
            loads(data)
        return None

    limit = sys.getrecursionlimit()
    depth = len(_stack())
    dive(limit - depth - 45)


def _stack() -> list[Any]:
    frames = []
    frame: Any = sys._getframe()
    while frame:
        frames.append(frame)
        frame = frame.f_back
    return frames


def test_wide_and_nested_odd_dicts_cost_linear_time() -> None:
    """A dict whose last key is no text is walked once, not once more at each level."""
    value = _wrap(lambda inner: {"a": inner, 1: 1}, 45)
    assert loads(dumps(value)) == value


def test_a_container_that_changes_meanwhile_is_an_encode_error() -> None:
    """A dict that user code changes while it is stored is refused, not half written."""
    grows: dict[str, Any] = {"a": None, "b": 1}

    def encode(_: Any) -> int:
        grows["c"] = 1
        return 1

    register_type(Alien, encode=encode, decode=lambda _: ALIEN, name="test.Grows")
    try:
        grows["a"] = ALIEN
        with pytest.raises(EncodeError, match="changed while it was being stored"):
            dumps({"state": grows})
    finally:
        _forget(Alien)


def test_what_an_encode_raises_is_an_encode_error_with_a_path() -> None:
    """A registered `encode` that fails is the value's fault, and its exception is kept as the cause."""

    class Fragile:
        pass

    def encode(_: Any) -> Any:
        raise KeyError("lost")

    register_type(Fragile, encode=encode, decode=lambda _: Fragile())
    with pytest.raises(EncodeError, match="KeyError: 'lost'") as caught:
        dumps({"a": [Fragile()]})
    assert caught.value.path == "$.a[0]"
    assert isinstance(caught.value.__cause__, KeyError)


def _forget(cls: type) -> None:
    from perdure.codecs import registry  # noqa: PLC0415

    registry._by_class.pop(cls)


@pytest.mark.parametrize("data", [b"", b"{", b"nan", b'"\\ud800"', b"1e999", b"\xff", b"[" * 100_000])
def test_bytes_that_are_no_json_are_refused(data: bytes) -> None:
    """Bytes that orjson refuses are a DecodeError."""
    with pytest.raises(DecodeError):
        loads(data)


@pytest.mark.parametrize("piece", ["[", '{"a":', '{"$":"tuple","v":[', '{"$":"later","v":', '{"$":"object","v":'])
@pytest.mark.parametrize("times", [300, 500])
def test_deep_bytes_are_refused(piece: str, times: int) -> None:
    """Nesting that orjson still reads does not reach the caller, whose own code may recurse."""
    closing = "".join({"[": "]", "{": "}"}[char] for char in reversed(piece) if char in "[{")
    data = (piece * times + "1" + closing * times).encode()
    orjson.loads(data)
    with pytest.raises(DecodeError):
        loads(data)


def test_a_tree_that_is_no_json_is_refused() -> None:
    """`from_tree` takes what JSON holds and nothing else."""
    with pytest.raises(DecodeError):
        from_tree({"a": (1, 2)})  # type: ignore[dict-item]


def test_threads_encode_side_by_side() -> None:
    """The codec keeps no state between calls."""
    wrong: list[Any] = []

    def work(number: int) -> None:
        value = {"n": (number, {number})}
        if any(loads(dumps(value)) != value for _ in range(200)):
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
