"""`python -m benchmarks`: measure the workloads side by side and show a table; `--json FILE` keeps every number.

Databases are made in `--folder` (default: build/bench, on this disk): a folder in memory would make flushes free.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from benchmarks import report
from benchmarks.cells import LIBRARIES, ROOT, Cell, CellError, Run, cells_of, run, schedule
from benchmarks.workloads.every import WORKLOADS

SAVERS: Final = ("none", "memory", "sqlite")
APIS: Final = ("sync", "async")
WIDTH: Final = 140


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; return 1 when a cell failed."""
    options = parse(words)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    wanted = {"savers": options.savers, "apis": options.apis, "libraries": options.libraries}
    cells = [cell for name in options.workloads for cell in cells_of(WORKLOADS[name], size_of(name, options), **wanted)]
    runs = measure(cells, options, Console(stderr=True, highlight=False))
    rows = [row for name in options.workloads for row in report.rows_of(WORKLOADS[name], runs)]
    for name in options.workloads:
        console.print(report.table(WORKLOADS[name], [row for row in rows if row.workload == name]))
    console.print(escape(report.noise_line(runs)))
    if options.json is not None:
        said = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        options.json.write_text(json.dumps(report.as_json(runs, rows, said), indent=1), encoding="utf-8")
    return 1 if len(runs) < len(cells) * options.repeats else 0


def measure(cells: list[Cell], options: argparse.Namespace, console: Console) -> list[Run]:
    """Run every cell as often as wanted, and tell how far it is."""
    options.folder.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    for number, (repeat, cell) in enumerate(schedule(cells, options.repeats, options.seed), 1):
        console.print(f"[dim]{number}/{len(cells) * options.repeats} {cell.name}[/]")
        try:
            runs.append(run(cell, repeat, options.folder))
        except CellError as error:
            console.print(f"[red]{escape(str(error))}[/]")
    return runs


def size_of(name: str, options: argparse.Namespace) -> int:
    """Return how many supersteps or turns a workload has this time."""
    size: int = options.size or (WORKLOADS[name].quick if options.quick else WORKLOADS[name].size)
    return size


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="perdure and LangGraph side by side.")
    for name, choices in (("workloads", WORKLOADS), ("savers", SAVERS), ("apis", APIS), ("libraries", LIBRARIES)):
        every = list(choices)
        parser.add_argument(f"--{name}", nargs="+", choices=every, default=every, help=f"some of {', '.join(every)}")
    parser.add_argument("--repeats", type=int, default=3, help="how often each cell is run (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="short runs: a look, not a measurement")
    parser.add_argument("--size", type=int, help="supersteps or turns, for all workloads")
    parser.add_argument("--seed", type=int, default=7, help="of the order of cells (%(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench", help="where databases are made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
