"""What a channel is: one key of the state, and the pure rule by which a step's writes change it.

A channel holds no value. `change` looks at the current value and the writes of a step (in task-path order) and says
what the state becomes, as a `Change` that needs no user code to apply, with references to the recorded writes wherever
possible.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from perdure.events import Change, Ref, Value


class Missing:
    """The type of `MISSING`: a channel without a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Staged(NamedTuple):
    """One write of the step that is being committed: where it is recorded, and its value."""

    ref: Ref
    value: Value


class Channel:
    """One key of the state. Subclasses say how writes change it."""

    clears: bool = False
    """A value lives for one step only: a step without a write empties the channel."""
    persists: ClassVar[bool] = True
    """False: never written to the log."""
    compares: ClassVar[bool] = True
    """Containers written to it are compared with what it holds, so that only the difference is stored."""

    def __init__(self, typ: Any = object) -> None:
        self.typ = typ
        self.key = ""

    def initial(self) -> Value:
        """Return the value a new thread starts with, or MISSING."""
        return MISSING

    def change(self, current: Value, writes: Sequence[Staged]) -> Change | None:
        """Return what `writes` (at least one) make of `current`; None when nothing changes.

        Raises InvalidUpdateError when these writes cannot be applied together. Must not mutate `current`.
        """
        raise NotImplementedError
