"""Annotations to types: everything that a value of a declared type may hold is registered.

It walks annotations of the application's own code, never anything stored. A forward reference that cannot be resolved
is passed over: a value of that type then fails when it is first stored, and says how to register it.
"""

import sys
import typing
from collections.abc import Iterator
from enum import Enum
from types import SimpleNamespace

from perdure.codecs.registry import register_type, registration_of
from perdure.codecs.shapes import shape_of
from perdure.events import Value


def register_reachable(annotation: Value) -> None:
    """Register every dataclass, NamedTuple, enum and pydantic model that `annotation` can be seen to hold.

    Walks generics, unions, `Annotated`, aliases, type variables' bounds, and the fields of the types it finds and of
    TypedDicts. What is registered already stays as it is. Subclasses are not found: register them by name.
    """
    seen: set[int] = set()
    # The list keeps alive what `seen` knows by identity.
    todo: list[Value] = [annotation]
    for item in todo:
        if id(item) not in seen:
            seen.add(id(item))
            todo.extend(_inside(item))


def _inside(item: Value) -> Iterator[Value]:
    """Yield what one annotation leads to, and register it if it is a type of ours to store."""
    if isinstance(item, list | tuple):
        yield from item
    elif isinstance(item, type) and typing.get_origin(item) is None:
        yield from _inside_class(item)
    elif isinstance(item, Enum):
        yield type(item)
    elif hasattr(item, "__metadata__"):
        # What follows the type in an Annotated is not data.
        yield from typing.get_args(item)[:1]
    elif typing.get_args(item):
        yield typing.get_origin(item)
        yield from typing.get_args(item)
    else:
        yield from _inside_alias(item)


def _inside_alias(item: Value) -> Iterator[Value]:
    """Yield what a NewType, a type alias or a type variable stands for."""
    for name in ("__supertype__", "__value__", "__bound__", "__constraints__"):
        try:
            yield getattr(item, name, None)
        except NameError:
            # An alias is evaluated here, and may name what exists for the type checker only.
            continue


def _inside_class(cls: type) -> Iterator[Value]:
    storable = not issubclass(cls, BaseException) and shape_of(cls) is not None
    if storable and registration_of(cls) is None:
        register_type(cls)
    if storable or typing.is_typeddict(cls):
        yield from getattr(cls, "__orig_bases__", ())
        yield from _annotations(cls)


def _annotations(cls: type) -> Iterator[Value]:
    """Yield the annotation of each field, its forward references resolved where that is possible."""
    fields = getattr(cls, "model_fields", None)
    if isinstance(fields, dict):
        yield from (field.annotation for field in fields.values())
    try:
        yield from typing.get_type_hints(cls, include_extras=True).values()
    except Exception:  # noqa: BLE001  a forward reference is code, and raises what it likes
        for base in cls.__mro__:
            yield from _one_by_one(base)


def _one_by_one(cls: type) -> Iterator[Value]:
    names = dict(vars(sys.modules.get(cls.__module__, SimpleNamespace())))
    for key, annotation in vars(cls).get("__annotations__", {}).items():
        one = SimpleNamespace(__annotations__={key: annotation})
        try:
            yield from typing.get_type_hints(one, names, {cls.__name__: cls}, include_extras=True).values()
        except Exception:  # noqa: BLE001, S112  unresolvable
            continue
