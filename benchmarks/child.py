"""One cell in a process of its own: `python -m benchmarks.child '<cell as JSON>' FOLDER WHERE` prints its figures.

FOLDER is for files of this cell alone; WHERE is its database: a path, a URL, or nothing.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.cell import Cell
from benchmarks.libraries.face import DATABASES
from benchmarks.probes import noise
from benchmarks.stage import perform, probe_of
from benchmarks.workloads.every import WORKLOADS
from benchmarks.workloads.requests import Figures


def main() -> None:
    """Run the cell that the command line names."""
    cell, folder, where = Cell(**json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
    said = {
        "version": version(cell.library),
        "figures": measure(cell, where),
        "noise": noise(folder / "flushed"),
    }
    print(json.dumps(said))


def measure(cell: Cell, where: str) -> Figures:
    """Run the workload's script against a graph of the library; keep the figures that mean something here."""
    workload = WORKLOADS[cell.workload]
    script = workload.script(cell.size, probe_of(cell, where))
    figures = perform(cell, script, where, new=True)
    absent = set() if cell.saver in DATABASES else {one.name for one in workload.figures if one.of_database}
    return {name: value for name, value in figures.items() if name not in absent}


if __name__ == "__main__":
    main()
