"""One cell in a process of its own: `python -m benchmarks.child '<cell as JSON>' FOLDER` prints its figures as JSON."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from benchmarks.cells import Cell
from benchmarks.libraries.face import Foreign, Library
from benchmarks.workloads.every import WORKLOADS
from benchmarks.workloads.workload import Figures, Invoke, Probe, Script

FLUSHES: Final = 50
LOOPS: Final = 300_000
WAL: Final = ("wal",)


def main() -> None:
    """Run the cell that the command line names."""
    cell, folder = Cell(**json.loads(sys.argv[1])), Path(sys.argv[2])
    library: Library = import_module(f"benchmarks.libraries.{cell.library}").LIBRARY
    figures = measure(cell, library, folder / "cell.db")
    print(json.dumps({"version": library.version, "figures": figures, "noise": noise(folder / "flushed")}))


def measure(cell: Cell, library: Library, path: Path) -> Figures:
    """Run the workload's script against a graph of the library; keep the figures that mean something here."""
    workload = WORKLOADS[cell.workload]
    script = workload.script(cell.size, Probe(lambda: stored(path), peak_memory))
    builder = workload.build(library)
    if cell.api == "async":
        figures = asyncio.run(run_async(cell, library, builder, script, path))
    else:
        figures = run_sync(cell, library, builder, script, path)
    absent = set() if cell.saver == "sqlite" else {one.name for one in workload.figures if one.of_file}
    return {name: value for name, value in figures.items() if name not in absent}


def run_sync(cell: Cell, library: Library, builder: Foreign, script: Script, path: Path) -> Figures:
    """Play the script with the sync API."""
    options = options_of(cell)
    with library.open_saver(cell.saver, path) as saver:
        graph = builder.compile(checkpointer=saver)
        return play(script, lambda call: graph.invoke(call.input, call.config, **options))


async def run_async(cell: Cell, library: Library, builder: Foreign, script: Script, path: Path) -> Figures:
    """Play the script with the async API."""
    options = options_of(cell)
    async with library.open_async_saver(cell.saver, path) as saver:
        graph = builder.compile(checkpointer=saver)
        return await play_async(script, lambda call: graph.ainvoke(call.input, call.config, **options))


def options_of(cell: Cell) -> dict[str, Any]:
    """Return what is said with each call: durable when the step returns. (Without a saver there is nothing to say.)"""
    return {} if cell.saver == "none" else {"durability": "sync"}


def play(script: Script, invoke: Callable[[Invoke], Any]) -> Figures:
    """Drive a script, sync."""
    call = next(script)
    while True:
        result = invoke(call)
        try:
            call = script.send(result)
        except StopIteration as stop:
            figures: Figures = stop.value
            return figures


async def play_async(script: Script, invoke: Callable[[Invoke], Awaitable[Any]]) -> Figures:
    """Drive a script, async."""
    call = next(script)
    while True:
        result = await invoke(call)
        try:
            call = script.send(result)
        except StopIteration as stop:
            figures: Figures = stop.value
            return figures


def stored(path: Path) -> int:
    """Return the bytes of the database's pages, those in its WAL included; 0 without a database."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == WAL
        [(pages,)], [(size,)] = (connection.execute(f"PRAGMA {name}") for name in ("page_count", "page_size"))
        return int(pages * size)


def peak_memory() -> int:
    """Return the process's peak resident memory in bytes.

    Not `getrusage`: its figure survives `exec`, so a child would report its parent's peak.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def noise(path: Path) -> Figures:
    """Return what the machine did at that moment: a flush to this disk, and a loop of additions, in seconds."""
    flushes = []
    with path.open("wb") as file:
        for _ in range(FLUSHES):
            file.write(bytes(4096))
            file.flush()
            began = perf_counter()
            os.fdatasync(file.fileno())
            flushes.append(perf_counter() - began)
    began, total = perf_counter(), 0
    for number in range(LOOPS):
        total += number
    return {"flush": median(flushes), "loop": perf_counter() - began}


if __name__ == "__main__":
    main()
