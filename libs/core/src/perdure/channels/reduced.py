"""`BinaryOperatorAggregate`: a channel whose writes are folded into it by a reducer, `(what it holds, a write) -> new`.

The log never needs the reducer again. Growing a list and merging a dict are known by their operators and refer to the
recorded writes; for any other reducer the difference that it made is found and stored.
"""

import collections.abc
import operator as operators
from collections.abc import Callable, Sequence
from copy import copy
from functools import reduce
from typing import Any, Final, NamedTuple, TypeAlias

from perdure.channels.base import MISSING, Channel, Staged
from perdure.channels.describe import Marks, describe, marks
from perdure.errors import EncodeError, InvalidUpdateError
from perdure.events import Append, Change, Literally, Merge, Set, Value
from perdure.types import Overwrite

Reducer: TypeAlias = Callable[[Any, Any], Any]

OVERWRITE_KEY: Final = "__overwrite__"
"""How an `Overwrite` looks after it went through JSON: as a dict's only key, or as its "type"."""

_CONCATENATES: Final[tuple[Reducer, ...]] = (operators.add, operators.concat, operators.iadd, operators.iconcat)
_MERGES: Final[tuple[Reducer, ...]] = (operators.or_, operators.ior)
_CONCRETE: Final[dict[Any, type]] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


class _Replacement(NamedTuple):
    """The value of an `Overwrite` in any of its forms."""

    value: Value


class BinaryOperatorAggregate(Channel):
    """Folds the writes of a superstep into what it holds, in task-path order.

    A new thread starts with `typ()` where that can be constructed; else the first write is the first value.
    """

    def __init__(self, typ: Any, operator: Reducer) -> None:
        super().__init__(typ)
        self.operator = operator
        self._factory = _factory(typ)
        self._grows = operator in _CONCATENATES or operator == list.__add__
        self._merges = operator in _MERGES or operator == dict.__or__

    def initial(self) -> Value:
        """Return an empty value of the channel's type, or MISSING."""
        return MISSING if self._factory is None else self._factory()

    def change(self, current: Value, writes: Sequence[Staged], before: Marks | None = None) -> Change | None:
        """Return what the reducer makes of `current` and these writes; an `Overwrite` goes past it.

        Args:
            current: What the channel holds; stays as it is.
            writes: In task-path order. An `Overwrite` (at most one) drops all others.
            before: The marks of `current`, if the caller has them; they are taken here otherwise.

        Raises InvalidUpdateError for a second `Overwrite`, and whatever the reducer raises.
        """
        replacement = self._replacement(writes)
        if replacement is not None:
            return describe(current, replacement.value, before)
        if current is MISSING:  # a channel that the release which began the thread did not have
            current = self.initial()
        kind = type(current)
        if kind is list and self._grows and all(type(write.value) is list for write in writes):
            grown = tuple(write.ref for write in writes if write.value)
            return Append(grown) if grown else None
        if kind is dict and self._merges and all(type(write.value) is dict for write in writes):
            return _merge(writes)
        if current is MISSING and len(writes) == 1:
            return Set(writes[0].ref)
        return self._reduce(current, writes, before)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BinaryOperatorAggregate) and _same_operator(self.operator, other.operator)

    def __hash__(self) -> int:
        return hash(BinaryOperatorAggregate)

    def _replacement(self, writes: Sequence[Staged]) -> _Replacement | None:
        found = [one for one in (_overwrite(write.value) for write in writes) if one is not None]
        if len(found) > 1:
            raise InvalidUpdateError(
                f"Key {self.key!r} was given {len(found)} Overwrite values in one superstep; at most one can win."
                " Let a single task overwrite it."
            )
        return found[0] if found else None

    def _reduce(self, current: Value, writes: Sequence[Staged], before: Marks | None) -> Change | None:
        values = [write.value for write in writes]
        seen = _marks(current) if before is None else before
        last = _marks(values[-1])
        start = _copied(values.pop(0) if current is MISSING else current)
        new = reduce(self.operator, values, start)
        change = describe(current, new, seen)
        if isinstance(change, Set) and new is writes[-1].value and last is not None and marks(new) == last:
            return Set(writes[-1].ref)  # the reducer chose a write and left it as it was recorded
        return change


def _merge(writes: Sequence[Staged]) -> Change | None:
    filled = [write for write in writes if write.value]
    if len(filled) == 1:
        return Merge(filled[0].ref)
    combined: dict[Value, Value] = {}
    for write in filled:
        combined.update(write.value)
    return Merge(Literally(combined)) if combined else None


def _overwrite(value: Value) -> _Replacement | None:
    if isinstance(value, Overwrite):
        return _Replacement(value.value)
    if isinstance(value, dict):
        if len(value) == 1 and OVERWRITE_KEY in value:
            return _Replacement(value[OVERWRITE_KEY])
        if "value" in value and value.get("type") == OVERWRITE_KEY:
            return _Replacement(value["value"])
    return None


def _marks(value: Value) -> Marks | None:
    """Return the value's marks; None where it has none, because it is not there or cannot be stored."""
    try:
        return None if value is MISSING else marks(value)
    except EncodeError:
        return None


def _copied(value: Value) -> Value:
    """Return a shallow copy, because a reducer may change its left argument in place."""
    try:
        return copy(value)
    except Exception:  # noqa: BLE001 -- a user type that refuses to be copied is reduced as it stands
        return value


def _factory(typ: Any) -> Callable[[], Value] | None:
    bare = _bare(typ)
    make = _CONCRETE.get(bare, bare) if isinstance(bare, type) else None
    try:
        if make is None:
            return None
        make()
    except Exception:  # noqa: BLE001 -- any user constructor that wants arguments
        return None
    return make


def _bare(typ: Any) -> Any:
    """Return the class inside `Annotated[…]`, `Required[…]` and generic aliases."""
    while (origin := getattr(typ, "__origin__", None)) is not None:
        wrapped = getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly")
        typ = typ.__args__[0] if wrapped else origin
    return typ


def _same_operator(one: Reducer, other: Reducer) -> bool:
    """Tell whether two schemas mean the same reducer: a lambda written twice is taken to be the same."""
    names = (getattr(one, "__name__", None), getattr(other, "__name__", None))
    return one == other or "<lambda>" in names
