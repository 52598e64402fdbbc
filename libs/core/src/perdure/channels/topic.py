"""`Topic`: a list that several tasks publish to, for one superstep or for good."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

from perdure.channels.base import MISSING, Channel, Staged
from perdure.events import Append, Change, Literally, Operand, Remove, Set, Value


class Topic(Channel):
    """Collects single values and lists of values (flattened by one level) into one list.

    With `accumulate` the list grows; without, it holds what the superstep before published and is emptied by the next.
    An empty topic has no value.
    """

    compares: ClassVar[bool] = False

    def __init__(self, typ: Any = object, accumulate: bool = False) -> None:
        super().__init__(typ)
        self.accumulate = accumulate
        self.clears = not accumulate

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return the list after these publications."""
        parts = [part for part in map(_part, writes) if part is not None]
        if self.accumulate and current is not MISSING:
            return Append(tuple(operand for operand, _ in parts)) if parts else None
        if not parts:
            return None if current is MISSING else Remove()
        if len(parts) == 1:
            return Set(parts[0][0])
        return Set(Literally(list(chain.from_iterable(items for _, items in parts))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topic) and other.accumulate == self.accumulate

    def __hash__(self) -> int:
        return hash((Topic, self.accumulate))


def _part(write: Staged) -> tuple[Operand, list[Value]] | None:
    """Return the items one write publishes, referenced where the recorded write is exactly that list."""
    value = write.value
    if type(value) is list:
        return (write.ref, value) if value else None
    items = list(value) if isinstance(value, list) else [value]
    return (Literally(items), items) if items else None
