"""A script on its stage: the cell's library, graph and saver, opened and closed around it. And its later phases, each
in a fresh process: `python -m benchmarks.stage '<Phase as JSON>'` prints the phase's figures as JSON.

The time of such a process counts, so this module, and what it imports, load little.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

from benchmarks.cell import Cell
from benchmarks.libraries.face import Opening, library_of, savers_of
from benchmarks.play import AT_ONCE, Stage, do, do_async, options_of, play, play_async
from benchmarks.probes import peak_memory, stored
from benchmarks.workloads.every import WORKLOADS
from benchmarks.workloads.requests import Figures, Fresh, Script, Told
from benchmarks.workloads.workload import Probe

ROOT: Final = Path(__file__).parents[1]


class Phase(NamedTuple):
    """What a fresh process is told."""

    cell: dict[str, Any]
    where: str
    name: str
    given: dict[str, Any]


def main() -> None:
    """Run the phase that the command line names, on what is stored."""
    phase = Phase(*json.loads(sys.argv[1]))
    cell = Cell(**phase.cell)
    script = WORKLOADS[cell.workload].phases[phase.name](phase.given, probe_of(cell, phase.where))
    print(json.dumps(perform(cell, script, phase.where, new=False)))


def probe_of(cell: Cell, where: str) -> Probe:
    """Return what a cell's script may look at."""
    return Probe(lambda: stored(cell.saver, where), peak_memory)


def perform(cell: Cell, script: Script, where: str, *, new: bool) -> Figures:
    """Play a script on a cell's graph, with its saver at `where`, `new` or already there."""
    workload = WORKLOADS[cell.workload]
    library = library_of(cell.library)
    savers = savers_of(cell.library, cell.saver)
    opening = Opening(where, AT_ONCE[cell.api] if workload.crowded else 1, new)
    builder = workload.build(library, cell.api)
    rest = (library, options_of(cell.saver, cell.durability), partial(in_fresh_process, cell, where))

    async def perform_async() -> Figures:
        async with savers.open_async(opening) as saver:
            stage = Stage(builder.compile(checkpointer=saver), *rest)
            return await play_async(script, partial(do_async, stage))

    if cell.api == "async":
        return asyncio.run(perform_async())
    with savers.open(opening) as saver:
        return play(script, partial(do, Stage(builder.compile(checkpointer=saver), *rest)))


def in_fresh_process(cell: Cell, where: str, fresh: Fresh) -> Told:
    """Run a phase in a process of its own. Raises RuntimeError with its last words when it fails."""
    phase = Phase(asdict(cell), where, fresh.phase, fresh.given)
    command = [sys.executable, "-m", "benchmarks.stage", json.dumps(phase)]
    began = perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = perf_counter() - began
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{fresh.phase}: {words[-1]}")
    return Told(json.loads(done.stdout), seconds)


if __name__ == "__main__":
    main()
