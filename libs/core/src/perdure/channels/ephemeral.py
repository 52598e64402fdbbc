"""Channels that do not last: `EphemeralValue` lives for one superstep, `UntrackedValue` never reaches the log."""

from collections.abc import Sequence
from typing import Any, ClassVar

from perdure.channels.base import Channel, Staged
from perdure.channels.last_value import set_to
from perdure.errors import InvalidUpdateError
from perdure.events import Change, Value


class _Guarded(Channel):
    """Takes the last write; with `guard`, refuses several in one superstep."""

    compares: ClassVar[bool] = False

    def __init__(self, typ: Any = object, guard: bool = True) -> None:
        super().__init__(typ)
        self.guard = guard

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return the last write. Raises InvalidUpdateError when there are several and `guard` is set."""
        if len(writes) != 1 and self.guard:
            raise InvalidUpdateError(
                f"Key {self.key!r} ({type(self).__name__}, guard=True) was written {len(writes)} times in one"
                " superstep. Write it once, or declare it with guard=False to keep the last write."
            )
        return set_to(writes[-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Guarded) and type(other) is type(self) and other.guard == self.guard

    def __hash__(self) -> int:
        return hash((type(self), self.guard))


class EphemeralValue(_Guarded):
    """Holds what the superstep before wrote, and is empty after a step without a write."""

    clears = True


class UntrackedValue(_Guarded):
    """Holds the last value of this run; never written to the log, so a resumed run starts without it."""

    persists: ClassVar[bool] = False
