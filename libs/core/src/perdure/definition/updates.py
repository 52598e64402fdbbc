"""How an update becomes writes: what a node returned, or what a run was given, as (key, value) pairs.

Routes, commands and lists of commands are the engine's; here arrive only the updates inside them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from inspect import get_annotations
from typing import Any, ClassVar, Final, get_origin

from perdure.channels.base import MISSING
from perdure.errors import PerdureError
from perdure.events import Value

ROOT: Final = "__root__"
"""The only key of a state that is no collection of keys."""

Writes = list[tuple[str, Value]]


@dataclass(frozen=True, slots=True)
class Accepts:
    """Which keys an update may write, and how an update that does not fit is refused."""

    keys: frozenset[str]
    ignored: frozenset[str]
    """Keys that may stand in an update and are no writes (managed values; state that is not the graph's input)."""
    subject: str
    """What the update is, for messages: "a node's update", "the graph's input"."""
    error: Callable[[str], PerdureError]
    drops: bool = False
    """Leave unknown keys out instead of refusing them."""

    def pairs(self, update: Value, *, drop: bool = False) -> Writes:
        """Return an update's writes.

        Args:
            update: None (nothing), a dict, or an instance of a class with annotated fields (dataclass, pydantic model,
                named tuple). With a root state: the value itself.
            drop: Leave unknown keys out, as a state that is handed to another graph needs it.

        Raises `error` for an update of another type and (unless dropped) for unknown keys.
        """
        if update is None:
            return []
        if ROOT in self.keys:
            return [(ROOT, update)]
        if isinstance(update, dict):
            if self.keys.issuperset(update):
                return list(update.items())
            return self._sift(list(update.items()), drop)
        kind: Any = type(update)
        names = field_names(kind)
        if not names:
            raise self.error(
                f"{self.subject} must be a dict of state keys, or an object with annotated fields;"
                f" found {type(update).__name__}."
            )
        return self._sift(_set_fields(update, names), drop)

    def command_pairs(self, update: Value) -> Writes:
        """Return the writes of a `Command.update`: as `pairs`, and a list of (key, value) pairs is an update too."""
        if isinstance(update, (list, tuple)) and ROOT not in self.keys and all(map(_is_pair, update)):
            return self._sift([(key, value) for key, value in update], drop=False)
        return self.pairs(update)

    def _sift(self, pairs: Writes, drop: bool) -> Writes:
        unknown = [key for key, _ in pairs if key not in self.keys and key not in self.ignored]
        if unknown and not (drop or self.drops):
            raise self.error(self._complaint(unknown))
        return [pair for pair in pairs if pair[0] in self.keys]

    def _complaint(self, unknown: list[str]) -> str:
        known = sorted(self.keys | self.ignored)
        return (
            f"{self.subject} has the unknown key{'s' if len(unknown) > 1 else ''}"
            f" {', '.join(map(repr, unknown))}{hint(unknown[0], known)}. The state has {', '.join(known)}."
            " Declare the key in a schema, or leave it out."
        )


def hint(name: object, known: Collection[str]) -> str:
    """Return ` (did you mean 'x'?)` when a known name is close to `name`, else an empty text."""
    close = get_close_matches(str(name), known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


@lru_cache(maxsize=1024)
def field_names(cls: Any) -> tuple[str, ...]:
    """Return the names of a class's annotated fields: none for a class without annotations."""
    if is_dataclass(cls):
        return tuple(field.name for field in fields(cls))
    if is_model(cls):
        return tuple(cls.model_fields)
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        for name, annotation in get_annotations(base).items():
            if name != "__slots__" and not _is_class_variable(annotation):
                names[name] = None
    return tuple(names)


def is_model(cls: Any) -> bool:
    """Tell whether this is a pydantic (v2) model class, without importing pydantic."""
    return isinstance(cls, type) and hasattr(cls, "__pydantic_fields_set__") and hasattr(cls, "model_fields")


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return "ClassVar" in annotation
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _is_pair(item: Value) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _set_fields(update: Value, names: tuple[str, ...]) -> Writes:
    """Return an object's fields; a model's None counts only when it was given or replaces another default."""
    pairs = [(name, value) for name in names if (value := getattr(update, name, MISSING)) is not MISSING]
    model: Any = type(update)
    if not is_model(model):
        return pairs
    given, declared = update.model_fields_set, model.model_fields
    return [
        (name, value)
        for name, value in pairs
        if value is not None or name in given or declared[name].default is not None
    ]
