"""Registered user types: they come back as they were, without their constructors, and say when they no longer fit."""

import copy
import dataclasses
import functools
import pickle
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import orjson
import pydantic
import pytest

from perdure.codecs import JsonTree, Opaque, dumps, loads, register_type, to_tree
from perdure.codecs import registry as table
from perdure.errors import DecodeError, EncodeError, UsageError
from perdure.types import NO_ANSWER, Command, Interrupt, Overwrite, Send

CALLS: list[str] = []
T = TypeVar("T")


class Colour(Enum):
    RED = (1, "r")
    CRIMSON = (1, "r")  # noqa: PIE796  an alias
    BLUE = object()


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Right(Flag):
    NONE = 0
    READ = 1
    WRITE = 2
    BOTH = 3


class Bits(IntFlag):
    ONE = 1


@dataclass
class Plain:
    a: int
    b: list[int] = field(default_factory=list)
    made: int = field(init=False, default=7)
    fixed: ClassVar[int] = 1

    def __post_init__(self) -> None:
        CALLS.append("Plain")
        self.made = self.a * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen(Generic[T]):
    item: T
    start: InitVar[int] = 0

    def __post_init__(self, start: int) -> None:
        CALLS.append("Frozen")


@dataclass
class Cached:
    a: int

    @functools.cached_property
    def twice(self) -> int:
        return self.a * 2


@dataclass
class Child(Plain):
    c: Any = None


class Point(NamedTuple):
    x: int
    y: int = 0


Old = namedtuple("Old", "a b")


class Base(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str
    size: int = 3
    tags: list[str] = pydantic.Field(default_factory=list)
    _seen: int = pydantic.PrivateAttr(default=0)
    _lock: object = pydantic.PrivateAttr(default_factory=object)
    _unset: int = pydantic.PrivateAttr()

    @pydantic.field_validator("size")
    @classmethod
    def check_size(cls, value: int) -> int:
        CALLS.append("check_size")
        return value

    def model_post_init(self, context: Any, /) -> None:
        CALLS.append("model_post_init")
        self._seen = 1


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    other: Any = pydantic.Field(alias="Other", default=None)


class Names(pydantic.RootModel[list[str]]):
    pass


class Derived(pydantic.BaseModel):
    a: int
    b: int = pydantic.Field(default_factory=lambda seen: seen["a"] + 1)


TYPES = (
    Colour, Level, Word, Right, Bits, Plain, Frozen, Cached, Child, Point, Old, Base, Strict, Names, Derived,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _register() -> None:
    for cls in TYPES:
        register_type(cls, name=f"types.{cls.__name__}")
    CALLS.clear()


VALUES: list[Any] = [
    Colour.RED,
    Colour.CRIMSON,
    Colour.BLUE,
    Level.LOW,
    Word.YES,
    Right.READ,
    Right.NONE,
    Right.READ | Right.WRITE,
    Bits.ONE,
    Bits(0),
    Plain(1, [2]),
    Frozen(item=(1, 2)),
    Frozen(item=Frozen(item=None)),
    Child(1, [2], {Level.LOW: Point(1)}),
    Point(1, 2),
    Old(1, (2,)),
    Strict(Other=(1, 2)),
    Names(["a"]),
    Derived(a=1),
    Send("node", {"a": (1,)}),
    Send("node", None, 1.5),
    Command(update={"a": 1}, goto=[Send("a", 1), "b"], graph=Command.PARENT),
    Command(resume=None),
    Interrupt({"ask": 1}, "id", {"type": "string"}),
    Overwrite([1]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_round_trip(value: Any) -> None:
    """A registered type comes back equal and of its type, as a value and inside of others."""
    CALLS.clear()
    found = loads(dumps({"a": [value, (value,)]}))["a"]
    assert [type(value)] * 2 == [type(found[0]), type(found[1][0])]
    assert found == [value, (value,)]
    assert CALLS == []


def test_enum_members_are_the_members() -> None:
    """An enum is looked up by name, so identity holds, also as a key."""
    assert loads(dumps(Colour.BLUE)) is Colour.BLUE
    assert loads(dumps({Word.YES: Level.LOW})) == {Word.YES: Level.LOW}
    assert type(next(iter(loads(dumps({Word.YES: 1}))))) is Word
    assert loads(dumps(Right.BOTH)) is Right.BOTH


def test_a_missing_answer_stays_the_one_sentinel() -> None:
    """`Command.resume` left out is told by identity."""
    assert loads(dumps(Command())).resume is NO_ANSWER


def test_a_model_keeps_what_was_set_extras_and_privates() -> None:
    """A pydantic model is rebuilt without validators; a private attribute without a stored form is made anew."""
    value = Base(name="a", odd=(1, 2))  # type: ignore[call-arg]
    value._seen = 5
    CALLS.clear()
    found = loads(dumps(value))
    assert CALLS == []
    assert found.model_dump() == value.model_dump()
    assert found.model_fields_set == {"name", "odd"}
    assert found.model_extra == {"odd": (1, 2)}
    assert found._seen == 5
    assert type(found._lock) is object
    assert found._lock is not value._lock
    assert not hasattr(found, "_unset")
    assert found.model_copy(update={"size": 1}).size == 1


def test_a_model_that_was_built_in_full_remembers_nothing_else() -> None:
    """The usual case costs no bytes beside the fields."""
    tree = to_tree(Strict(Other=1))
    assert tree == {"$": "object", "type": "types.Strict", "version": 1, "v": {"other": 1}}


def test_a_cached_property_is_not_stored() -> None:
    """What can be computed again is."""
    value = Cached(2)
    assert value.twice == 4
    found = loads(dumps(value))
    assert vars(found) == {"a": 2}
    assert found.twice == 4


def test_a_stray_attribute_is_refused() -> None:
    """An attribute outside the fields would be lost without a word."""
    value = Cached(2)
    value.stray = 1  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match="'stray', which is no field"):
        dumps(value)


def test_an_unset_field_is_refused() -> None:
    """An instance without one of its fields could not be rebuilt."""
    value = Cached(2)
    del value.a
    with pytest.raises(EncodeError, match="no value in its field 'a'"):
        dumps([value])
    with pytest.raises(EncodeError, match="no value in its field 'name'"):
        dumps(Base.model_construct(size=1))


def test_a_flag_with_nameless_bits_is_refused() -> None:
    """A bit without a member has no name to be stored by."""
    with pytest.raises(EncodeError, match="bits without a name"):
        dumps(Bits(5))


# --- shapes that changed --------------------------------------------------------------------------------------


def _stored(name: str, payload: Any, version: int = 1, **more: Any) -> bytes:
    return orjson.dumps({"$": "object", "type": name, "version": version, "v": to_tree(payload), **more})


def test_a_field_with_a_default_may_be_missing() -> None:
    """A type that gained a field with a default still reads what was stored before."""
    assert loads(_stored("types.Child", {"a": 1})) == _child(1)
    assert loads(_stored("types.Child", {"a": 1})).b is not loads(_stored("types.Child", {"a": 1})).b
    assert loads(_stored("types.Point", {"x": 1})) == Point(1, 0)
    assert loads(_stored("types.Derived", {"a": 1})).b == 2
    model = loads(_stored("types.Base", {"name": "a"}))
    assert (model.size, model.tags, model.model_fields_set) == (3, [], {"name"})


def _child(a: int) -> Child:
    child = Child(a)
    child.made = 7
    return child


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


# --- opaque ---------------------------------------------------------------------------------------------------


def test_an_unregistered_type_is_read_as_opaque() -> None:
    """Data of a type that this process does not know shows, and encodes again to the same bytes."""

    @register_type
    @dataclass(frozen=True)
    class Gone:
        a: Any

    data = dumps({"x": [Gone((1, b"2"))], "in set": {Gone(1)}})
    table._by_name.pop(f"{__name__}.test_an_unregistered_type_is_read_as_opaque.<locals>.Gone")
    found = loads(data)
    opaque = found["x"][0]
    assert type(opaque) is Opaque
    assert opaque.type_name is not None
    assert opaque.type_name.endswith("Gone")
    assert "Gone" in repr(opaque)
    assert data == dumps(found)


def test_opaque_is_a_frozen_value() -> None:
    """It compares and hashes by its bytes, can be copied and pickled, and cannot be changed."""
    tree: JsonTree = {"$": "later", "v": [1, {"a": 1.0}]}
    value = Opaque("later", tree)
    assert value == Opaque("later", copy.deepcopy(tree)) == copy.copy(value) == pickle.loads(pickle.dumps(value))
    assert value != Opaque("later", {"$": "later", "v": [True, {"a": 1}]})
    assert {value: 1}[Opaque("later", tree)] == 1
    value.tree["v"] = 2  # type: ignore[index, call-overload]
    assert value.tree == tree
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.tag = "other"  # type: ignore[misc]
    assert repr(value) == 'Opaque(later: {"$":"later","v":[1,{"a":1.0}]})'
    assert len(repr(Opaque("later", {"$": "later", "v": "x" * 10_000}))) < 200


def test_opaque_moved_too_deep_is_an_encode_error() -> None:
    """What was read at one depth may be put where it no longer fits."""
    value: Any = loads(orjson.dumps({"$": "later", "v": to_tree(_nested(150))}))
    assert type(value) is Opaque
    for _ in range(100):
        value = [value]
    with pytest.raises(EncodeError, match="too deep"):
        dumps(value)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value
