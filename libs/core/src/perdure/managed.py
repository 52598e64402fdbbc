"""Values that the engine computes for a node and no log holds: how close a run is to its recursion limit.

Use them as annotations in a state schema: `remaining: RemainingSteps`.
"""

from typing import Annotated


class ManagedValue:
    """Marks a state key as computed. Subclasses say from what."""

    @staticmethod
    def read(step: int, stop: int) -> object:
        """Return the value in superstep `step` of a run that may not reach superstep `stop`."""
        raise NotImplementedError


class IsLastStepManager(ManagedValue):
    """True in the last superstep that the recursion limit allows."""

    @staticmethod
    def read(step: int, stop: int) -> bool:
        """Return whether `stop` comes next."""
        return step == stop - 1


class RemainingStepsManager(ManagedValue):
    """How many supersteps the recursion limit still allows, this one included."""

    @staticmethod
    def read(step: int, stop: int) -> int:
        """Return the distance to `stop`."""
        return stop - step


IsLastStep = Annotated[bool, IsLastStepManager]
RemainingSteps = Annotated[int, RemainingStepsManager]
