"""`NamedBarrierValue`: remembers which of a set of names have been written.

The joins of a graph (`add_edge([...], node)`) are kept by the engine and need no such channel.
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from perdure.channels.base import MISSING, Channel, Staged
from perdure.errors import InvalidUpdateError
from perdure.events import Change, Literally, Set, Value


class NamedBarrierValue(Channel):
    """Holds the list of names written so far, in the order of their first write."""

    compares: ClassVar[bool] = False

    def __init__(self, typ: Any, names: Collection[Value]) -> None:
        super().__init__(typ)
        self.names = frozenset(names)

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return the names seen, these writes included. Raises InvalidUpdateError for a name that is not expected."""
        before = [] if current is MISSING else current
        seen = list(before)
        for write in writes:
            if write.value not in self.names:
                raise InvalidUpdateError(
                    f"Key {self.key!r} waits for {sorted(map(str, self.names))}; {write.value!r} is none of them."
                )
            if write.value not in seen:
                seen.append(write.value)
        return None if len(seen) == len(before) else Set(Literally(seen))

    def complete(self, current: Value) -> bool:
        """Tell whether every name has been written."""
        return current is not MISSING and len(current) == len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedBarrierValue) and other.names == self.names

    def __hash__(self) -> int:
        return hash((NamedBarrierValue, self.names))
