"""What a workload is made of: a graph, a script that says which calls are made and what is timed, and its goals.

Nothing heavy is imported here, nor by the workloads: fresh processes, whose start is measured, import them.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal, NamedTuple
from uuid import UUID

from benchmarks.libraries.face import Api, Durability, Foreign, Library, SaverKind
from benchmarks.workloads.requests import Script

WORDS = (
    "about after all also and are because but can come could day even first for from give have how into its know like"
    " look make many more most new not now only other our out over people say see some take than that the their them"
    " then there these they thing think this time two use very want was way well what when which who will with work"
)


class Probe(NamedTuple):
    """What a script may look at beside the clock."""

    stored: Callable[[], int]
    """Bytes of the database; 0 when there is none."""
    peak_memory: Callable[[], int]
    """Bytes, of the whole process so far."""


class Figure(NamedTuple):
    """One number that a workload yields."""

    name: str
    unit: str
    better: Literal["more", "less"]
    digits: int = 1
    scale: float = 1.0
    """What the number is multiplied with to be shown in `unit`."""
    of_database: bool = False
    """Means something only where there is a database."""


class Place(NamedTuple):
    """Where both libraries are compared."""

    saver: SaverKind
    api: Api
    durability: Durability = "sync"


class Goal(NamedTuple):
    """What perdure shall reach at the workload's full size: times better than the peer, or at most `most` units."""

    place: Place
    figure: str
    times: float | None = None
    most: float | None = None


class Workload(NamedTuple):
    """A workload: its graph, its script, and what its figures mean."""

    name: str
    title: str
    size: int
    """How many supersteps, turns, tasks or threads at full size."""
    quick: int
    places: tuple[Place, ...]
    figures: tuple[Figure, ...]
    goals: tuple[Goal, ...]
    build: Callable[[Library, Api], Foreign]
    script: Callable[[int, Probe], Script]
    phases: Mapping[str, Callable[[dict[str, Any], Probe], Script]] = {}
    """What is measured in fresh processes, on what the script has stored."""
    crowded: bool = False
    """Several threads or coroutines use the saver at once."""


def text(random: Random, size: int) -> str:
    """Return `size` bytes of English-like words."""
    words = random.choices(WORDS.split(), k=size // 3)  # a word and its space take four bytes or more
    return " ".join(words)[:size]


def thread_id(random: Random) -> str:
    """Return a UUID as 36 bytes of text."""
    return str(UUID(int=random.getrandbits(128), version=4))


def middle(values: Sequence[float], share: float = 0.5) -> float:
    """Return the value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
