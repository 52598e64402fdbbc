"""Registered user types: they come back as they were, without their constructors, and say when they no longer fit."""

import functools
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import pydantic
import pytest

from perdure.codecs import dumps, loads, register_type, to_tree
from perdure.errors import EncodeError
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


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
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
