"""Each kind of channel: which changes a superstep's writes make, and what it refuses."""

import operator
from collections.abc import Callable, MutableMapping, Sequence
from typing import Annotated, Any, NotRequired

import pytest

from perdure.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from perdure.channels.base import MISSING, Staged
from perdure.channels.describe import marks
from perdure.errors import InvalidUpdateError
from perdure.events import Append, Change, Literally, Merge, Patch, Ref, Remove, Set
from perdure.types import Overwrite


def staged(*values: Any) -> list[Staged]:
    return [Staged(Ref("task", index), value) for index, value in enumerate(values)]


def ref(index: int) -> Ref:
    return Ref("task", index)


def keyed(channel: Channel, key: str = "k") -> Channel:
    channel.key = key
    return channel


def test_a_plain_key_refers_to_its_one_write() -> None:
    """No value is stored twice."""
    assert LastValue(int).change(1, staged(2)) == Set(ref(0))


def test_a_plain_key_refuses_two_writes() -> None:
    """The message names the key, counts the writes and says what to declare."""
    with pytest.raises(InvalidUpdateError, match=r"'total' was written 2 times.*Annotated\[T, reducer\]"):
        keyed(LastValue(int), "total").change(1, staged(2, 3))


@pytest.mark.parametrize("channel", [LastValue(int), AnyValue(int), EphemeralValue(int), UntrackedValue(int)])
def test_an_overwrite_never_reaches_the_state(channel: Channel) -> None:
    """Only its value does, whatever the kind of channel."""
    assert channel.change(1, staged(Overwrite(5))) == Set(Literally(5))


def test_any_value_takes_the_last_and_lasts_one_step() -> None:
    """Equal writes of several tasks are one."""
    assert AnyValue(int).change(MISSING, staged(7, 7)) == Set(ref(1))
    assert AnyValue(int).clears


@pytest.mark.parametrize("kind", [EphemeralValue, UntrackedValue])
def test_a_guard_refuses_several_writes(kind: type[EphemeralValue | UntrackedValue]) -> None:
    """Without the guard the last one counts."""
    with pytest.raises(InvalidUpdateError, match=f"'k' .{kind.__name__}, guard=True. was written 2 times"):
        keyed(kind(int)).change(MISSING, staged(1, 2))
    assert kind(int, guard=False).change(MISSING, staged(1, 2)) == Set(ref(1))


def test_what_lasts_and_what_is_logged() -> None:
    """The engine reads these from the channel."""
    assert [EphemeralValue(int).clears, UntrackedValue(int).clears] == [True, False]
    assert [EphemeralValue(int).persists, UntrackedValue(int).persists] == [True, False]
    assert [Topic(int).clears, Topic(int, accumulate=True).clears] == [True, False]


@pytest.mark.parametrize(
    ("accumulate", "current", "written", "expected"),
    [
        (False, [1], ([2, 3],), Set(Ref("task", 0))),
        (False, [1], (2, [3, 4]), Set(Literally([2, 3, 4]))),
        (False, [1], ([],), Remove()),
        (False, MISSING, ([],), None),
        (True, [1], (2, [], [3]), Append((Literally([2]), Ref("task", 2)))),
        (True, [1], ([],), None),
        (True, MISSING, ([2],), Set(Ref("task", 0))),
        (True, MISSING, (2, 3), Set(Literally([2, 3]))),
        (True, [1], ([[2]],), Append((Ref("task", 0),))),
    ],
)
def test_a_topic_flattens_once(accumulate: bool, current: Any, written: tuple[Any, ...], expected: Change) -> None:
    """It refers to the lists that were written, and stores single values as such."""
    assert Topic(int, accumulate).change(current, staged(*written)) == expected


def test_a_barrier_remembers_names() -> None:
    """Each counts once; a name it does not wait for is refused."""
    barrier = keyed(NamedBarrierValue(str, {"a", "b"}))
    assert isinstance(barrier, NamedBarrierValue)
    assert barrier.change(MISSING, staged("b")) == Set(Literally(["b"]))
    assert barrier.change(["b"], staged("b")) is None
    assert barrier.change(["b"], staged("a", "b")) == Set(Literally(["b", "a"]))
    assert [barrier.complete(seen) for seen in (MISSING, ["b"], ["b", "a"])] == [False, False, True]
    with pytest.raises(InvalidUpdateError, match="'c' is none of them"):
        barrier.change(MISSING, staged("c"))


# --- reducers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typ", "expected"),
    [
        (list, []),
        (list[int], []),
        (Sequence[int], []),
        (MutableMapping[str, int], {}),
        (int, 0),
        (str, ""),
        (Annotated[NotRequired[list[int]], "doc"], []),
        (int | None, MISSING),
        (Any, MISSING),
        (range, MISSING),
    ],
)
def test_a_reduced_key_starts_empty_where_its_type_can(typ: Any, expected: Any) -> None:
    """Abstract containers start as their plain counterparts."""
    assert BinaryOperatorAggregate(typ, operator.add).initial() == expected


def test_each_thread_starts_with_an_empty_value_of_its_own() -> None:
    """Nothing is shared between threads."""
    channel = BinaryOperatorAggregate(list, operator.add)
    assert channel.initial() is not channel.initial()


@pytest.mark.parametrize("reducer", [operator.add, operator.concat, operator.iadd, list.__add__])
def test_a_growing_list_refers_to_its_writes(reducer: Callable[[Any, Any], Any]) -> None:
    """The sum is neither computed nor stored; empty writes leave no trace."""
    channel = BinaryOperatorAggregate(list, reducer)
    assert channel.change([1], staged([2], [], [3])) == Append((ref(0), ref(2)))
    assert channel.change([1], staged([])) is None


def test_a_merged_dict_refers_to_its_write() -> None:
    """Several writes are merged first."""
    channel = BinaryOperatorAggregate(dict, operator.or_)
    assert channel.change({}, staged({"a": 1}, {})) == Merge(ref(0))
    assert channel.change({}, staged({"a": 1}, {"a": 2, "b": 3})) == Merge(Literally({"a": 2, "b": 3}))
    assert channel.change({"a": 1}, staged({})) is None


def test_a_sum_is_computed_in_order() -> None:
    """Other reducers run, and their result is stored."""
    channel = BinaryOperatorAggregate(str, operator.add)
    assert channel.change("a", staged("b", "c")) == Set(Literally("abc"))
    assert BinaryOperatorAggregate(int, operator.add).change(3, staged(0)) is None


def test_the_first_write_is_the_value_where_there_is_none() -> None:
    """One write is referred to; several are reduced from the first on."""
    channel = BinaryOperatorAggregate(int | None, operator.add)
    assert channel.change(MISSING, staged(2)) == Set(ref(0))
    assert channel.change(MISSING, staged(2, 3)) == Set(Literally(5))


@pytest.mark.parametrize("written", [Overwrite([9]), {"__overwrite__": [9]}, {"type": "__overwrite__", "value": [9]}])
@pytest.mark.parametrize("current", [MISSING, [1]])
def test_an_overwrite_passes_the_reducer(written: Any, current: Any) -> None:
    """In every form, as the very first write too, and without the step's other writes."""
    channel = BinaryOperatorAggregate(list, operator.add)
    assert channel.change(current, staged([2], written, [3])) == Set(Literally([9]))


def test_an_overwrite_stores_only_the_difference() -> None:
    """Cutting a conversation short does not store what is left of it again."""
    channel = BinaryOperatorAggregate(list, operator.add)
    assert channel.change([1, 2, 3, 4], staged(Overwrite([1, 2]))) == Patch(2, 2, [])


def test_two_overwrites_are_refused() -> None:
    """Which would win?"""
    with pytest.raises(InvalidUpdateError, match="'k' was given 2 Overwrite values"):
        keyed(BinaryOperatorAggregate(list, operator.add)).change([], staged(Overwrite([1]), Overwrite([2])))


def test_a_reducer_may_damage_its_left_argument() -> None:
    """It gets a copy; nested damage is found by the marks taken before."""

    def append_and_count(left: list[Any], right: Any) -> list[Any]:
        left[1]["count"] += 1
        left.append(right)
        return left

    current = ["kept", {"count": 0}, "between"]
    channel = BinaryOperatorAggregate(list, append_and_count)
    change = channel.change(current, staged("new"))
    assert change == Patch(1, 2, [{"count": 1}, "between", "new"])
    assert len(current) == 3


def test_marks_of_the_caller_are_used() -> None:
    """Who keeps marks spares the channel to take them."""
    channel = BinaryOperatorAggregate(list, lambda left, right: [*left, right])
    current = [{"n": 2}]
    assert channel.change(current, staged(5), marks([{"n": 1}])) == Set(Literally([{"n": 2}, 5]))
    assert channel.change(current, staged(5), marks([{"n": 2}])) == Append((Literally([5]),))


def test_a_reducer_that_chooses_a_write_refers_to_it() -> None:
    """Unless it changed what it chose."""

    def last(left: Any, right: Any) -> Any:
        return right

    def damaged(left: Any, right: Any) -> Any:
        right.append("more")
        return right

    assert BinaryOperatorAggregate(list, last).change(["x"], staged(["a"], ["b"])) == Set(ref(1))
    assert BinaryOperatorAggregate(list, damaged).change(["x"], staged(["a"])) == Set(Literally(["a", "more"]))


def test_a_value_that_refuses_to_be_copied_is_reduced_all_the_same() -> None:
    """The state is the reducer's business then."""

    class Single:
        def __copy__(self) -> "Single":
            raise TypeError("one of a kind")

    single = Single()
    assert BinaryOperatorAggregate(Any, lambda left, right: left).change(single, staged(1)) == Set(Literally(single))


def test_channels_are_equal_by_kind_and_configuration() -> None:
    """So that two schemas may declare the same key."""
    assert LastValue(int) == LastValue(str)
    assert LastValue(int) != AnyValue(int)
    assert Topic(int) == Topic(str)
    assert Topic(int) != Topic(int, accumulate=True)
    assert EphemeralValue(int) == EphemeralValue(str)
    assert EphemeralValue(int) != EphemeralValue(int, guard=False)
    assert EphemeralValue(int) != UntrackedValue(int)
    assert NamedBarrierValue(str, {"a"}) == NamedBarrierValue(str, ["a"])
    assert NamedBarrierValue(str, {"a"}) != NamedBarrierValue(str, {"b"})
    assert BinaryOperatorAggregate(int, operator.add) == BinaryOperatorAggregate(str, operator.add)
    assert BinaryOperatorAggregate(int, operator.add) != BinaryOperatorAggregate(int, operator.sub)
    assert BinaryOperatorAggregate(int, lambda a, b: a) == BinaryOperatorAggregate(int, lambda a, b: b)
    assert len({LastValue(int), LastValue(str), AnyValue(int), Topic(int), EphemeralValue(int), UntrackedValue()}) == 5
    assert hash(NamedBarrierValue(str, ["a"])) == hash(NamedBarrierValue(str, {"a"}))
    assert hash(BinaryOperatorAggregate(int, operator.add)) == hash(BinaryOperatorAggregate(str, operator.add))
