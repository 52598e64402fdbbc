"""What is the difference between what a channel holds and what it is to hold: found by stored form, not by identity.

A *mark* stands for a value's stored form: equal marks, equal bytes. Scalars mark themselves (nothing is encoded);
anything else is marked by a digest of its encoding. *Marks* are those of a container's items, taken before user code
could damage the container. Only exact `list`, `dict` and `str` are compared; `1`, `1.0` and `True` differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, TypeAlias

from perdure.channels.base import MISSING
from perdure.codecs import dumps
from perdure.errors import EncodeError
from perdure.events import Append, Change, How, Literally, Merge, Patch, Set, Value

Mark: TypeAlias = object
"""Hashable; compares equal only to the mark of a value with the same stored form."""
Marks: TypeAlias = Mark | list[Mark] | dict[Mark, Mark]
"""Of a list: its items' marks in order. Of a dict: key mark → value mark, in order. Of anything else: its mark."""
Key: TypeAlias = Value

LONG_TEXT: Final = 64
"""Characters from which on text is stored as an extension of what was there."""

_TRUE: Final = (True,)
_FALSE: Final = (False,)


def mark(value: Value) -> Mark:
    """Return the mark of one value. Raises EncodeError when it has no stored form."""
    kind = type(value)
    if kind is str or kind is int or value is None or value is MISSING:
        return value
    if kind is bool:
        return _TRUE if value else _FALSE
    if kind is float:
        return (value.hex(),)  # tells -0.0 from 0.0, and finds nan equal to itself
    if kind is bytes:
        return (value,)  # wrapped, because bare bytes are digests
    return blake2b(dumps(value), digest_size=16).digest()


def marks(value: Value) -> Marks:
    """Return the marks of a value as it is now: item by item for an exact list or dict."""
    kind = type(value)
    if kind is list:
        return [mark(item) for item in value]
    if kind is dict:
        return {mark(key): mark(item) for key, item in value.items()}
    return mark(value)


def extend_marks(marks: Marks, items: Iterable[Value]) -> Marks:
    """Add the marks of `items`, appended to a list, to that list's marks (in place); return them."""
    if type(marks) is not list:
        raise TypeError(f"only the marks of a list can be extended, not {type(marks).__name__}")
    marks.extend([mark(item) for item in items])
    return marks


# --- a write, relative to what the channel holds ------------------------------------------------------------


def relate(base: Value, base_marks: Marks, new: Value) -> tuple[How, Value]:
    """Say how a written value relates to what its channel holds: how, and the operand that has to be stored.

    Args:
        base: What the channel holds. Its items are not looked at: a task may have damaged them.
        base_marks: The marks of `base` when it was read.
        new: What was written.

    Returns ("same", None), ("extend", the new items or text), ("merge", the changed keys) or ("value", new).
    Raises EncodeError when an item has no stored form.
    """
    kind = type(new)
    if kind is not type(base):
        return "value", new
    if kind is str:
        return _relate_text(base, new)
    if kind is list and type(base_marks) is list:
        return _relate_list(base_marks, new)
    if kind is dict and type(base_marks) is dict:
        return _relate_dict(base_marks, new)
    return "value", new


def _relate_text(base: str, new: str) -> tuple[How, Value]:
    if base == new:
        return "same", None
    if len(base) >= LONG_TEXT and new.startswith(base):
        return "extend", new[len(base) :]
    return "value", new


def _relate_list(base: list[Mark], new: list[Value]) -> tuple[How, Value]:
    count = len(base)
    if len(new) < count or _common(base, new) < count:
        return "value", new
    if len(new) == count:
        return "same", None
    return ("extend", new[count:]) if count else ("value", new)


def _relate_dict(base: dict[Mark, Mark], new: dict[Key, Value]) -> tuple[How, Value]:
    if len(new) < len(base):
        return "value", new
    changed = _merge(base, new, ())
    if changed is None:
        return "value", new
    if not changed:
        return "same", None
    return ("merge", changed) if len(changed) < len(new) else ("value", new)


# --- a new value, as the smallest change --------------------------------------------------------------------


def describe(current: Value, new: Value, before: Marks | None = None) -> Change | None:
    """Return the smallest change that turns `current` into `new`; None when both have the same stored form.

    Args:
        current: What the channel holds (MISSING: nothing).
        new: What it is to hold.
        before: The marks of `current`, taken before user code could have changed its items in place.
    """
    if current is MISSING:
        return Set(Literally(new))
    try:
        base = marks(current) if before is None else before
        if type(current) is not type(new):
            return Set(Literally(new))
        if type(new) is list and type(base) is list:
            return _describe_list(base, new)
        if type(new) is dict and type(base) is dict:
            return _describe_dict(base, current, new)
        return None if marks(new) == base else Set(Literally(new))
    except EncodeError:  # told where it counts, with its path, by whoever stores the change
        return Set(Literally(new))


def _describe_list(base: list[Mark], new: list[Value]) -> Change | None:
    head = _common(base, new)
    if head == len(base):
        return Append((Literally(new[head:]),)) if len(new) > head else None
    tail = _common(base[head:][::-1], new[head:][::-1])
    if head + tail == 0:
        return Set(Literally(new))
    return Patch(head, len(base) - head - tail, new[head : len(new) - tail])


def _describe_dict(base: dict[Mark, Mark], current: Mapping[Key, Value], new: dict[Key, Value]) -> Change | None:
    kept = {mark(key) for key in new}
    if len(base) != len(current):  # keys were changed in place: what to remove cannot be named any more
        return Set(Literally(new))
    gone = [key for at, key in zip(base, current, strict=True) if at not in kept]
    changed = _merge(base, new, gone)
    if changed is None or len(new) - len(changed) <= len(gone):
        return None if base == {} == new else Set(Literally(new))
    return Merge(Literally(changed), tuple(gone)) if changed or gone else None


# --- what both share ----------------------------------------------------------------------------------------


def _common(base: Sequence[Mark], new: Sequence[Value]) -> int:
    """Return how many items from the start are the same."""
    count = 0
    for old, item in zip(base, new, strict=False):
        if old is not item and old != mark(item):  # a scalar is its own mark
            break
        count += 1
    return count


def _merge(base: dict[Mark, Mark], new: dict[Key, Value], gone: Sequence[Key]) -> dict[Key, Value] | None:
    """Return the keys to set so that `base` without `gone` becomes `new`; None when the order of keys forbids it."""
    removed = {mark(key) for key in gone}
    stays = [at for at in base if at not in removed]
    if [mark(key) for key in list(new)[: len(stays)]] != stays or any(key in new for key in gone):
        return None
    return {key: item for key, item in new.items() if base.get(mark(key), MISSING) != mark(item)}
