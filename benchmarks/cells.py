"""A cell is one workload on one library, saver and API. Each is run in a fresh process on a fresh database.

Repetitions are interleaved: all cells once, in an order shuffled from a fixed seed, then all cells again. So a slow
minute of the machine falls on both libraries, and figures are compared pair by pair within a repetition.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias

from benchmarks.libraries.face import Api, SaverKind
from benchmarks.workloads.workload import Figures, Workload

LibraryName: TypeAlias = Literal["perdure", "langgraph"]
LIBRARIES: Final[tuple[LibraryName, ...]] = ("perdure", "langgraph")
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Cell:
    """What one process measures."""

    workload: str
    size: int
    saver: SaverKind
    api: Api
    library: LibraryName

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.workload} {self.saver} {self.api} {self.library}"


@dataclass(frozen=True, slots=True)
class Run:
    """A cell's figures in one repetition, with what the machine did meanwhile."""

    cell: Cell
    repeat: int
    version: str
    figures: Figures
    noise: Figures


class CellError(Exception):
    """A cell's process failed; the message holds its last words."""


def cells_of(
    workload: Workload, size: int, *, savers: Collection[str], apis: Collection[str], libraries: Iterable[LibraryName]
) -> list[Cell]:
    """Return a workload's cells, as far as they are wanted."""
    places = [(saver, api) for saver, api in workload.places if saver in savers and api in apis]
    return [Cell(workload.name, size, saver, api, library) for saver, api in places for library in libraries]


def schedule(cells: list[Cell], repeats: int, seed: int) -> Iterator[tuple[int, Cell]]:
    """Yield (repetition, cell) in the order in which they are to be run."""
    random = Random(seed)
    for repeat in range(repeats):
        yield from ((repeat, cell) for cell in random.sample(cells, len(cells)))


def run(cell: Cell, repeat: int, folder: Path) -> Run:
    """Run a cell in a process of its own, on a database in `folder` that is removed afterwards.

    Raises CellError when the process fails.
    """
    with TemporaryDirectory(prefix="cell-", dir=folder) as place:
        command = [sys.executable, "-m", "benchmarks.child", json.dumps(asdict(cell)), place]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CellError(f"{cell.name}: {words[-1]}")
    said = json.loads(done.stdout)
    return Run(cell, repeat, said["version"], said["figures"], said["noise"])
