"""What a workload is made of, and what two worlds share: a script that says which calls are made and what is timed.

A script is a generator: it yields `Invoke`s and is sent their results, so that it is written once for the sync and the
async API. Its return value are the figures.
"""

from collections.abc import Callable, Generator
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from benchmarks.libraries.face import Api, Foreign, Library, SaverKind

Figures: TypeAlias = dict[str, float]

WORDS = (
    "about after all also and are because but can come could day even first for from give have how into its know like"
    " look make many more most new not now only other our out over people say see some take than that the their them"
    " then there these they thing think this time two use very want was way well what when which who will with work"
)


class Invoke(NamedTuple):
    """Please call the graph."""

    input: dict[str, Any]
    config: dict[str, Any]


Script: TypeAlias = Generator[Invoke, Any, Figures]


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
    of_file: bool = False
    """Means something only where there is a database file."""


class Goal(NamedTuple):
    """What perdure shall reach at the workload's full size: times better than the peer, or at most `most` units."""

    saver: SaverKind
    api: Api
    figure: str
    times: float | None = None
    most: float | None = None


class Workload(NamedTuple):
    """A workload: its graph, its script, and what its figures mean."""

    name: str
    title: str
    size: int
    """How many supersteps or turns at full size."""
    quick: int
    places: tuple[tuple[SaverKind, Api], ...]
    figures: tuple[Figure, ...]
    goals: tuple[Goal, ...]
    build: Callable[[Library], Foreign]
    script: Callable[[int, Probe], Script]


def text(random: Random, size: int) -> str:
    """Return `size` bytes of English-like words."""
    words = random.choices(WORDS.split(), k=size // 3)  # a word and its space take four bytes or more
    return " ".join(words)[:size]


def thread_id(random: Random) -> str:
    """Return a UUID as 36 bytes of text."""
    return str(UUID(int=random.getrandbits(128), version=4))
