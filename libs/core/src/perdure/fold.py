"""How changes become values, knowing no graph: the half of a projection that needs neither reducers nor user types.

A fold owns the top-level containers of its values: what comes in is copied once (`own`), so that growing a list in
place harms nobody. What is nested is shared; state changed in place is what `strict_state` is for.
"""

from collections.abc import Callable, Mapping
from typing import assert_never

from perdure.events import Append, Change, Literally, Merge, Operand, Patch, Ref, Remove, Set, Value, Write

Resolve = Callable[[Ref], Value]


def own(value: Value) -> Value:
    """Return the value, its top-level container copied (list, dict and set; others are shared)."""
    kind = type(value)
    return value.copy() if kind is list or kind is dict or kind is set else value


def copied(value: Value) -> Value:
    """Return the value, its containers copied at every depth (exact list, dict, tuple and set; others are shared)."""
    kind = type(value)
    if kind is list:
        return [copied(item) for item in value]
    if kind is dict:
        return {key: copied(item) for key, item in value.items()}
    if kind is tuple:
        return tuple([copied(item) for item in value])
    return value.copy() if kind is set else value


def apply(  # noqa: C901 - a case a change
    values: dict[str, Value], changes: Mapping[str, Change], resolve: Resolve
) -> None:
    """Bring `values` up to date, in place.

    Raises KeyError (a reference to nothing) or TypeError (a change that does not fit) when the log is corrupt.
    """
    for channel, change in changes.items():
        match change:
            case Set(operand):
                values[channel] = own(_value(operand, resolve))
            case Append(operands):
                grown = values.setdefault(channel, [])
                for operand in operands:
                    grown.extend(_value(operand, resolve))
            case Merge(operand, removed):
                merged = values.setdefault(channel, {})
                for key in removed:
                    merged.pop(key, None)
                merged.update(_value(operand, resolve))
            case Patch(start, count, items):
                values[channel][start : start + count] = items
            case Remove():
                values.pop(channel, None)
            case _:
                assert_never(change)


def resolve_write(
    write: Write, values: Mapping[str, Value], parent: Mapping[str, Value], accepted: list[tuple[str, Value]]
) -> Value:
    """Return the full value of a recorded write.

    Args:
        write: The write as recorded.
        values: The graph's state as the write's task saw it.
        parent: The enclosing graph's state.
        accepted: The run's accepted input, (channel, value) in order.
    """
    match write.how:
        case "value":
            return write.operand
        case "same":
            return values[write.channel]
        case "extend":
            return values[write.channel] + write.operand
        case "merge":
            return values[write.channel] | write.operand
        case "parent":
            return parent[write.operand]
        case "input":
            return accepted[write.operand][1]
        case _:
            assert_never(write.how)


def _value(operand: Operand, resolve: Resolve) -> Value:
    return operand.value if isinstance(operand, Literally) else resolve(operand)
