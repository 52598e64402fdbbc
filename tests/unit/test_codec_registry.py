"""Stored shapes that changed, and the table of types that may be rebuilt."""

import dataclasses
from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum
from typing import Any, NamedTuple

import orjson
import pydantic
import pytest

from perdure.codecs import dumps, loads, register_type, to_tree
from perdure.errors import DecodeError, UsageError


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Right(Flag):
    READ = 1


@dataclass
class Plain:
    a: int
    b: list[int] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int = 0


class Base(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    size: int = 3
    tags: list[str] = pydantic.Field(default_factory=list)
    _seen: int = pydantic.PrivateAttr(default=0)


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    other: Any = None


class Derived(pydantic.BaseModel):
    a: int
    b: int = pydantic.Field(default_factory=lambda seen: seen["a"] + 1)


@pytest.fixture(autouse=True)
def _register() -> None:
    for cls in (Colour, Level, Right, Plain, Point, Base, Strict, Derived):
        register_type(cls, name=f"types.{cls.__name__}")


def _stored(name: str, payload: Any, version: int = 1, **more: Any) -> bytes:
    return orjson.dumps({"$": "object", "type": name, "version": version, "v": to_tree(payload), **more})


def test_a_field_with_a_default_may_be_missing() -> None:
    """A type that gained a field with a default still reads what was stored before."""
    first, second = (loads(_stored("types.Plain", {"a": 1})) for _ in range(2))
    assert first == second == Plain(1)
    assert first.b is not second.b
    assert loads(_stored("types.Point", {"x": 1})) == Point(1, 0)
    assert loads(_stored("types.Derived", {"a": 1})).b == 2
    model = loads(_stored("types.Base", {"name": "a"}))
    assert (model.size, model.tags, model.model_fields_set) == (3, [], {"name"})


@pytest.mark.parametrize(
    ("name", "payload", "complaint"),
    [
        ("types.Plain", {}, "without field 'a'"),
        ("types.Plain", {"a": 1, "z": 1, 5: 1}, "unknown field 'z', 5"),
        ("types.Plain", {"b": 1, "z": 1}, "without field 'a'; stored with unknown field 'z'"),
        ("types.Plain", [1], "no mapping"),
        ("types.Point", {"y": 1}, "without field 'x'"),
        ("types.Strict", {"alias": 1}, "unknown field 'alias'"),
        ("types.Base", {"size": 1}, "without field 'name'"),
        ("types.Colour", "GREEN", "no member 'GREEN'"),
        ("types.Colour", ["RED"], "no member"),
        ("types.Colour", "__class__", "no member"),
        ("types.Right", "READ", "no list"),
        ("types.Right", ["EXECUTE"], "no member 'EXECUTE'"),
    ],
)
def test_a_shape_that_does_not_fit_says_how(name: str, payload: Any, complaint: str) -> None:
    """The error names type, version and difference."""
    with pytest.raises(DecodeError, match=complaint) as caught:
        loads(_stored(name, payload))
    assert f"{name!r} (version 1)" in str(caught.value)


@pytest.mark.parametrize("beside", [{"extra": {"odd": 1}}, {"extra": 1}, {"set": 1}, {"private": 1}, [], 1])
def test_a_broken_part_beside_the_fields_is_refused(beside: Any) -> None:
    """Extras that a model forbids and parts that are no parts are DecodeErrors."""
    name, payload = ("types.Strict", {"other": 1}) if beside == {"extra": {"odd": 1}} else ("types.Base", {"name": "a"})
    with pytest.raises(DecodeError):
        loads(_stored(name, payload, x=beside))


def test_an_upcast_brings_old_fields_up_to_date() -> None:
    """It gets the stored version and the fields as values, and is not asked about the present version."""
    asked: list[tuple[int, Any]] = []

    def upcast(version: int, stored: Any) -> Any:
        asked.append((version, stored))
        return {"x": stored["left"], "y": version}

    register_type(Point, name="types.Point", version=3, upcast=upcast)
    assert loads(_stored("types.Point", {"left": (1,)}, version=2)) == Point((1,), 2)  # type: ignore[arg-type]
    assert loads(dumps(Point(5, 6))) == Point(5, 6)
    assert asked == [(2, {"left": (1,)})]


def test_an_upcast_that_fails_is_a_decode_error() -> None:
    """User code that cannot read what was stored does not break out."""

    def upcast(_: int, stored: Any) -> Any:
        return stored["nothing"]

    register_type(Colour, name="types.Colour", version=2, upcast=upcast)
    with pytest.raises(DecodeError, match="TypeError"):
        loads(_stored("types.Colour", "RED"))


def test_a_newer_version_is_refused() -> None:
    """A process that knows version 1 does not guess at version 2."""
    with pytest.raises(DecodeError, match="versions up to 1"):
        loads(_stored("types.Point", {"x": 1}, version=2))


# --- the registry ---------------------------------------------------------------------------------------------


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]


def test_a_type_of_any_kind_with_its_own_encode_and_decode() -> None:
    """What `encode` returns may itself be anything that can be stored."""
    register_type(Money, name="money", encode=lambda one: (one.cents, {Level.LOW}), decode=lambda two: Money(two[0]))
    value = {"price": [Money(5)]}
    assert value == loads(dumps(value))


def test_a_decode_that_fails_is_a_decode_error() -> None:
    """User code that refuses untrusted data does not break out."""
    register_type(Money, name="money", encode=lambda one: one.cents, decode=lambda cents: Money(cents + 0))
    with pytest.raises(DecodeError, match="'money' \\(version 1\\) cannot be rebuilt: TypeError"):
        loads(_stored("money", "much"))


def test_registering_decorates() -> None:
    """`register_type` returns its class."""

    @register_type
    @dataclass
    class Here:
        a: int

    assert Here(1) == loads(dumps(Here(1)))
    tree = to_tree(Here(1))
    assert isinstance(tree, dict)
    assert tree["type"] == f"{__name__}.test_registering_decorates.<locals>.Here"


@pytest.mark.parametrize(
    ("cls", "ways"),
    [
        (Money, {}),
        (Money, {"encode": str}),
        (Money, {"decode": str}),
        (int, {}),
        (type("Sub", (dict,), {}), {}),
        (dataclasses.make_dataclass("Bag", ["a"], bases=(dict,)), {}),
        (KeyboardInterrupt, {}),
        ("name", {}),
    ],
)
def test_what_cannot_be_registered(cls: Any, ways: Any) -> None:
    """A class without a stored form of its own needs both ways."""
    with pytest.raises(UsageError):
        register_type(cls, **ways)


def test_a_later_class_takes_over_a_name() -> None:
    """A class that is defined again (a reload, a notebook's cell) replaces the one before."""

    def define() -> Any:
        @dataclass
        class Again:
            a: int

        return register_type(Again)

    former, later = define(), define()
    assert type(loads(dumps(later(1)))) is later
    assert type(loads(dumps(former(1)))) is later


def test_a_class_is_read_under_its_old_names() -> None:
    """Renaming a type is registering it twice."""
    register_type(Point, name="types.Old.Point")
    register_type(Point, name="types.New.Point")
    for name in ("types.Old.Point", "types.New.Point"):
        assert loads(_stored(name, {"x": 1, "y": 2})) == Point(1, 2)
    assert b"types.New.Point" in dumps(Point(1))
