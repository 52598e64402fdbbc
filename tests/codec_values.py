"""Values for the codec's tests: what they are made of, and when two of them are the same value of the same types."""

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MAPPINGS = (dict, OrderedDict, Counter, defaultdict)


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are equal and of exactly the same types all the way down; NaN is like NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return bool(one.hex() == other.hex())
    if isinstance(one, Decimal | datetime | time):
        # Their equality knows no NaN, no fold and no zone's name; what they print does.
        return repr(one) == repr(other)
    if isinstance(one, complex):
        return alike([one.real, one.imag], [other.real, other.imag])
    if isinstance(one, MAPPINGS):
        return _alike_each(_flat(one), _flat(other))
    if isinstance(one, list | tuple | deque):
        return _alike_each(one, other)
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(alike(item, twin) for twin in other) for item in one)
    return bool(one == other)


def _alike_each(one: Iterable[Any], other: Iterable[Any]) -> bool:
    left, right = list(one), list(other)
    return len(left) == len(right) and all(map(alike, left, right))


def _flat(mapping: Any) -> list[Any]:
    return [part for pair in mapping.items() for part in pair]


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(["$", "v", "\0", "\ud800\udc00"])
"""Text of any code points, lone surrogates and NUL among them."""

ZONES = st.sampled_from(
    [
        None,
        UTC,
        timezone(timedelta(hours=-5, seconds=1)),
        timezone(timedelta(hours=1), "here"),
        ZoneInfo("Europe/Berlin"),
    ]
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**63 - 2, max_value=2**64 + 2),
    st.floats(),
    ANY_TEXT,
    st.binary(max_size=8),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    ANY_TEXT.map(PurePosixPath),
    ANY_TEXT.map(PureWindowsPath),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9)),
)
"""Everything that holds no other value."""


def is_hashable(value: Any) -> bool:
    """Tell whether a set could hold it (a signalling NaN says no)."""
    try:
        hash(value)
    except TypeError:
        return False
    return not (isinstance(value, float) and math.isnan(value))


HASHABLES = st.recursive(
    SCALARS.filter(is_hashable),
    lambda inner: st.frozensets(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)

JSON_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(inner, max_size=4)
    pairs = st.dictionaries(HASHABLES, inner, max_size=3)
    return st.one_of(
        items,
        items.map(tuple),
        st.builds(deque, items, st.none() | st.integers(4, 9)),
        st.dictionaries(ANY_TEXT, inner, max_size=4),
        pairs,
        pairs.map(OrderedDict),
        pairs.map(lambda found: defaultdict(list, found)),
        st.sets(HASHABLES, max_size=3),
        st.frozensets(HASHABLES, max_size=3),
        items.map(bytearray_of),
    )


def bytearray_of(items: list[Any]) -> bytearray:
    """Return a bytearray that is as long as the list."""
    return bytearray(len(items))


VALUES = st.recursive(SCALARS, _containers, max_leaves=12)
"""Any value that needs no registered type."""
