"""Differences are found by stored form, are exact, and are as small as the container allows."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.channels.base import MISSING
from perdure.channels.describe import describe, extend_marks, marks, relate
from perdure.codecs import dumps
from perdure.events import Append, Change, Literally, Merge, Patch, Ref, Set, Write
from perdure.fold import apply, resolve_write

scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, float("nan"), "a", "b", b"a"])
)
items = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("ab"), scalars, max_size=2)
keys = st.sampled_from(["a", "b", "c", 0, 1, True, 1.0, None])
values = st.lists(items, max_size=6) | st.dictionaries(keys, items, max_size=4) | items
LONG = "x" * 64


def folded(current: Any, change: Change | None) -> Any:
    def nothing_recorded(ref: Ref) -> Any:
        raise LookupError(ref)

    state = {"k": current.copy() if isinstance(current, (list, dict)) else current}
    apply(state, {} if change is None else {"k": change}, nothing_recorded)
    return state["k"]


@given(values, values)
def test_a_described_change_leads_exactly_to_the_new_value(current: Any, new: Any) -> None:
    """Law: applying the description gives the same bytes as the new value; no change means the same bytes."""
    assert dumps(folded(current, describe(current, new))) == dumps(new)


@given(values, values)
def test_a_related_write_reads_back_exactly(base: Any, new: Any) -> None:
    """Law: operand and base together give the same bytes as what was written."""
    how, operand = relate(base, marks(base), new)
    write = Write("k", operand, how)
    assert dumps(resolve_write(write, {"k": base}, {}, [])) == dumps(new)


@given(values, values)
def test_equal_marks_mean_equal_bytes(one: Any, other: Any) -> None:
    """Law: marks tell two values apart if their bytes differ."""
    same = type(one) is type(other) and marks(one) == marks(other)
    listed = list(marks(one)) == list(marks(other)) if same and type(one) is dict else same  # type: ignore[call-overload]
    assert listed == (dumps(one) == dumps(other))


@pytest.mark.parametrize(
    ("base", "new", "expected"),
    [
        ([1, 2], [1, 2], ("same", None)),
        ([1, 2], [1, 2, 3], ("extend", [3])),
        ([1, 2], [1], ("value", [1])),
        ([1, 2], [True, 2, 3], ("value", [True, 2, 3])),
        ([], [1], ("value", [1])),
        ([], [], ("same", None)),
        ((1,), (1,), ("value", (1,))),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ("merge", {"b": 3})),
        ({"a": 1}, {"a": 1, "b": 2}, ("merge", {"b": 2})),
        ({"a": 1}, {"a": 2}, ("value", {"a": 2})),
        ({"a": 1, "b": 2}, {"a": 1}, ("value", {"a": 1})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ("value", {"b": 2, "a": 1})),
        ({1: "a"}, {True: "a"}, ("value", {True: "a"})),
        (LONG, LONG + "y", ("extend", "y")),
        (LONG, LONG, ("same", None)),
        ("short", "shorter", ("value", "shorter")),
        (1, 1, ("value", 1)),
        (MISSING, [1], ("value", [1])),
        ([1], {"a": 1}, ("value", {"a": 1})),
    ],
)
def test_how_a_write_relates_to_what_was_there(base: Any, new: Any, expected: Any) -> None:
    """The smallest operand is kept, and a type never passes for another."""
    how, operand = relate(base, marks(base), new)
    assert (how, operand) == expected
    assert type(operand) is type(expected[1])


def test_damage_to_the_base_is_seen_by_its_marks() -> None:
    """A task that changed a nested object in place and returned the same list has written a new value."""
    base = [{"n": 1}, {"n": 2}]
    before = marks(base)
    base[0]["n"] = 9
    assert relate(base, before, base) == ("value", base)
    assert describe(base, base, before) == Patch(0, 1, [{"n": 9}])


def test_marks_grow_with_their_list() -> None:
    """Extending marks is marking the longer list."""
    assert extend_marks(marks([1, {"a": 1}]), [b"x", None]) == marks([1, {"a": 1}, b"x", None])


def test_only_marks_of_a_list_grow() -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(TypeError, match="list"):
        extend_marks(marks({"a": 1}), [1])


@pytest.mark.parametrize(
    ("current", "new", "expected"),
    [
        ([1, 2], [1, 2], None),
        ([1, 2], [1, 2, 3], Append((Literally([3]),))),
        ([1, 2, 3, 4], [1, 9, 4], Patch(1, 2, [9])),
        ([1, 2, 3], [2, 3], Patch(0, 1, [])),
        ([1, 2], [3], Set(Literally([3]))),
        ([1], [], Set(Literally([]))),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 4}, Set(Literally({"a": 1, "c": 4}))),
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}, Merge(Literally({}), ("b",))),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, Merge(Literally({"b": 3}))),
        ({"a": 1}, {"a": 1}, None),
        ({}, {}, None),
        (1, 1, None),
        (1, True, Set(Literally(True))),
        (MISSING, 0, Set(Literally(0))),
        ({1}, {1, 2}, Set(Literally({1, 2}))),
        ({1}, {1}, None),
    ],
)
def test_the_smallest_change_is_found(current: Any, new: Any, expected: Change | None) -> None:
    """Appending, patching and merging are told from replacing."""
    assert describe(current, new) == expected


def test_what_has_no_stored_form_is_set() -> None:
    """Whoever stores the change reports the value that cannot be stored, with its path."""
    unstorable: Sequence[object] = [object()]
    assert describe([1], unstorable) == Set(Literally(unstorable))
