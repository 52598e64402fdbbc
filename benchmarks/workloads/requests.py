"""What a script may ask for. Who drives it does it with the sync or the async API and sends back what came of it."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeAlias

from benchmarks.libraries.face import Foreign

Config: TypeAlias = dict[str, Any]
Figures: TypeAlias = dict[str, float]


class Invoke(NamedTuple):
    """Call the graph; send back its output."""

    input: dict[str, Any]
    config: Config


class Resume(NamedTuple):
    """Answer the open question; send back the output."""

    answer: str
    config: Config


class Look(NamedTuple):
    """Send back the state's snapshot."""

    config: Config


class History(NamedTuple):
    """Go through the newest snapshots of a thread; send back what `see` returned for each."""

    config: Config
    limit: int
    see: Callable[[Foreign], int]


class Many(NamedTuple):
    """Make calls on several threads, or coroutines; send back their outputs, an exception where one has failed."""

    calls: Sequence[Invoke]


class Fresh(NamedTuple):
    """Have a phase of the workload run by a fresh process on the same database; send back `Told`."""

    phase: str
    given: dict[str, Any]
    """Handed over as JSON."""


class Told(NamedTuple):
    """What a phase returned, and how many seconds its process took from start to end."""

    figures: Figures
    process: float


Request: TypeAlias = Invoke | Resume | Look | History | Many | Fresh
Script: TypeAlias = Generator[Request, Any, Figures]
"""Yields requests and is sent their results, so that it is written once for both APIs. Returns the figures."""
