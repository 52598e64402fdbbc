"""Running cells: each in a fresh process on a fresh database.

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
from typing import Any, Final

from benchmarks.cell import Cell
from benchmarks.libraries.face import LibraryName
from benchmarks.server import fresh_database
from benchmarks.stage import ROOT
from benchmarks.workloads.requests import Figures
from benchmarks.workloads.workload import Workload
from tests.postgres.cluster import Cluster

LIBRARIES: Final[tuple[LibraryName, ...]] = ("perdure", "langgraph")


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    savers: Collection[str]
    apis: Collection[str]
    durabilities: Collection[str]
    libraries: Iterable[LibraryName]


def cells_of(workload: Workload, size: int, wanted: Wanted) -> list[Cell]:
    """Return a workload's cells, as far as they are wanted."""
    return [
        Cell(workload.name, size, place.saver, place.api, place.durability, library)
        for place in workload.places
        if place.saver in wanted.savers and place.api in wanted.apis and place.durability in wanted.durabilities
        for library in wanted.libraries
    ]


def schedule(cells: list[Cell], repeats: int, seed: int) -> Iterator[tuple[int, Cell]]:
    """Yield (repetition, cell) in the order in which they are to be run."""
    random = Random(seed)
    for repeat in range(repeats):
        yield from ((repeat, cell) for cell in random.sample(cells, len(cells)))


def run(cell: Cell, repeat: int, folder: Path, server: Cluster | None) -> Run:
    """Run a cell in a process of its own, on a database in `folder` or on `server` that is removed afterwards.

    Raises CellError when the process fails.
    """
    with TemporaryDirectory(prefix="cell-", dir=folder) as place:
        if cell.saver == "postgres":
            assert server is not None
            with fresh_database(server) as url:
                said = _run(cell, place, url)
        else:
            said = _run(cell, place, f"{place}/cell.db")
    return Run(cell, repeat, said["version"], said["figures"], said["noise"])


def _run(cell: Cell, folder: str, where: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.child", json.dumps(asdict(cell)), folder, where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise CellError(f"{cell.name}: {words[-1]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said
