"""Channels that hold what was written last: `LastValue` (the default) and `AnyValue` (several equal writes)."""

from collections.abc import Sequence

from perdure.channels.base import Channel, Staged
from perdure.errors import InvalidUpdateError
from perdure.events import Change, Literally, Set, Value
from perdure.types import Overwrite


class LastValue(Channel):
    """Holds the last value written; at most one write a superstep."""

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return the one write. Raises InvalidUpdateError when there are several."""
        if len(writes) != 1:
            raise InvalidUpdateError(
                f"Key {self.key!r} was written {len(writes)} times in one superstep, and holds one value only."
                " Declare how writes combine: Annotated[T, reducer], for instance Annotated[list, operator.add]."
            )
        return set_to(writes[0])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LastValue)

    def __hash__(self) -> int:
        return hash(LastValue)


class AnyValue(Channel):
    """Holds the last of the writes of a superstep, which are taken to be equal; empty after a step without a write."""

    clears = True

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return the last write."""
        return set_to(writes[-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyValue)

    def __hash__(self) -> int:
        return hash(AnyValue)


def set_to(write: Staged) -> Change:
    """Return the change to exactly what was written; of an `Overwrite` only its value reaches the state."""
    if type(write.value) is Overwrite:
        return Set(Literally(write.value.value))
    return Set(write.ref)
