"""Types that a schema's annotations lead to are registered; nothing else is."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    Union,
)

import pydantic
import pytest
from typing_extensions import TypeAliasType

from perdure.codecs import register_reachable, register_type
from perdure.codecs.registry import registration_of
from perdure.types import Send

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

KINDS = ("dataclass", "named", "enum", "model")


def fresh(kind: str) -> Any:
    """Return a new class of a kind."""
    if kind == "dataclass":
        return dataclass(type("D", (), {"__annotations__": {"a": int}}))
    if kind == "named":
        return named_tuple("N", [("a", int)])
    if kind == "enum":
        return enum.Enum("E", "A B")
    return pydantic.create_model("M", a=(int, 1))


def is_registered(cls: type) -> bool:
    return registration_of(cls) is not None


def of(generic: Any, *args: Any) -> Any:
    """Return `generic[args]`, which a type checker reads only for types that it can see."""
    return generic[args if len(args) > 1 else args[0]]


def holder(annotation: Any) -> Any:
    """Return a new dataclass with one field."""
    return dataclass(type("Holder", (), {"__annotations__": {"a": annotation}}))


typed_dict: Any = TypedDict
named_tuple: Any = NamedTuple
new_type: Any = NewType
type_var: Any = TypeVar
type_alias: Any = TypeAliasType

WRAPPERS: list[Callable[[Any], Any]] = [
    lambda cls: cls,
    lambda cls: of(list, cls),
    lambda cls: of(dict, str, of(list, cls)),
    lambda cls: of(tuple, cls, ...),
    lambda cls: of(Mapping, cls, int),
    lambda cls: cls | None,
    lambda cls: of(Optional, cls),
    lambda cls: of(Union, int, of(Sequence, cls)),
    lambda cls: of(Annotated, of(list, cls), "reducer"),
    lambda cls: of(Callable, [cls], int),
    lambda cls: of(Callable, [int], cls),
    lambda cls: of(type, cls),
    lambda cls: new_type("Renamed", cls),
    lambda cls: type_var("T", bound=cls),
    lambda cls: type_var("T", int, cls),
    lambda cls: type_alias("Alias", of(list, cls)),
    lambda cls: typed_dict("State", {"a": of(Required, cls)}),
    lambda cls: typed_dict("State", {"a": of(NotRequired, of(Annotated, of(list, cls), max))}),
    lambda cls: typed_dict("Outer", {"a": typed_dict("Inner", {"b": cls})}),
    lambda cls: holder(of(list, cls)),
    lambda cls: named_tuple("Holder", [("a", cls)]),
    lambda cls: pydantic.create_model("Holder", a=(of(list, cls), ...)),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrap", WRAPPERS)
def test_every_kind_is_found_in_every_annotation(wrap: Callable[[Any], Any], kind: str) -> None:
    """Dataclasses, NamedTuples, enums and pydantic models are found wherever an annotation holds them."""
    cls = fresh(kind)
    register_reachable(wrap(cls))
    assert is_registered(cls)


def test_a_literal_leads_to_its_enum() -> None:
    """`Literal[Colour.RED]` holds members of an enum."""
    cls = fresh("enum")
    register_reachable(of(Literal, "a", cls.A))
    assert is_registered(cls)


T = TypeVar("T")


@dataclass
class Leaf:
    a: int = 0


@dataclass
class Tree:
    children: "list[Tree]"
    leaf: "Leaf | None" = None


def test_types_that_hold_themselves() -> None:
    """A recursive type ends the walk, and its forward references are resolved."""
    register_reachable(Tree)
    assert is_registered(Tree)
    assert is_registered(Leaf)


@dataclass
class Beside:
    a: int


@dataclass
class Partly:
    lost: "Missing"
    found: "list[Beside]"


def test_what_cannot_be_resolved_is_passed_over() -> None:
    """One annotation that names nothing does not hide the others."""
    register_reachable(Partly)
    register_reachable("Missing")
    assert is_registered(Partly)
    assert is_registered(Beside)


@dataclass
class Box(Generic[T]):
    item: T


def test_parameters_of_generic_types() -> None:
    """The type and its argument are found, in an annotation and in a base class."""
    inner, base = fresh("dataclass"), fresh("enum")
    register_reachable(of(Box, inner))

    class Special(of(Box, base)):  # type: ignore[misc]
        pass

    dataclass(Special)
    register_reachable(Special)
    assert all(map(is_registered, (Box, Special, inner, base)))


def test_what_is_registered_stays_as_it_is() -> None:
    """A name or a version that the application gave is not overwritten by compiling a graph."""
    cls = register_type(fresh("dataclass"), name="mine", version=4)
    register_reachable(of(list, cls))
    found = registration_of(cls)
    assert found is not None
    assert (found.name, found.version) == ("mine", 4)
    register_reachable(Send)
    own = registration_of(Send)
    assert own is not None
    assert own.name == "perdure.Send"


@pytest.mark.parametrize("annotation", [None, 1, "x", ..., Any, int, list, dict[str, Any], ValueError, object(), [], T])
def test_other_annotations_are_passed_over(annotation: Any) -> None:
    """Whatever stands in an annotation, the walk ends without an error and registers no class of Python's."""
    register_reachable(annotation)
    assert not any(is_registered(cls) for cls in (int, list, dict, ValueError, object))
