"""`python -m benchmarks`: measure the workloads side by side and show a table; `--json FILE` keeps every number.

Databases are made in `--folder` (default: build/bench, on this disk): a folder in memory would make flushes free. For
PostgreSQL a server is started there.
"""

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from benchmarks import report
from benchmarks.cell import Cell
from benchmarks.cells import LIBRARIES, CellError, Run, Wanted, cells_of, run, schedule
from benchmarks.server import postgres, settings_of
from benchmarks.stage import ROOT
from benchmarks.workloads.every import WORKLOADS

SAVERS: Final = ("none", "memory", "sqlite", "postgres")
APIS: Final = ("sync", "async")
WIDTH: Final = 140


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; return 1 when a cell failed."""
    options = parse(words)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    wanted = Wanted(options.savers, options.apis, options.durabilities, options.libraries)
    cells = [cell for name in options.workloads for cell in cells_of(WORKLOADS[name], size_of(name, options), wanted)]
    runs, settings = measure(cells, options, Console(stderr=True, highlight=False))
    rows = [row for name in options.workloads for row in report.rows_of(WORKLOADS[name], runs)]
    for name in options.workloads:
        console.print(report.table(WORKLOADS[name], [row for row in rows if row.workload == name]))
    for line in filter(None, (report.server_line(settings), report.noise_line(runs))):
        console.print(escape(line))
    if options.json is not None:
        said = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        options.json.write_text(json.dumps(report.as_json(runs, rows, said, settings), indent=1), encoding="utf-8")
    return 1 if len(runs) < len(cells) * options.repeats else 0


def measure(cells: list[Cell], options: argparse.Namespace, console: Console) -> tuple[list[Run], dict[str, str]]:
    """Run every cell as often as wanted, and tell how far it is; return the runs, and PostgreSQL's settings."""
    options.folder.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    with ExitStack() as stack:
        needed = any(cell.saver == "postgres" for cell in cells)
        server = stack.enter_context(postgres(options.folder)) if needed else None
        for number, (repeat, cell) in enumerate(schedule(cells, options.repeats, options.seed), 1):
            console.print(f"[dim]{number}/{len(cells) * options.repeats} {cell.name}[/]")
            try:
                runs.append(run(cell, repeat, options.folder, server))
            except CellError as error:
                console.print(f"[red]{escape(str(error))}[/]")
        return runs, {} if server is None else settings_of(server)


def size_of(name: str, options: argparse.Namespace) -> int:
    """Return how many supersteps, turns, tasks or threads a workload has this time."""
    size: int = options.size or (WORKLOADS[name].quick if options.quick else WORKLOADS[name].size)
    return size


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="perdure and LangGraph side by side.")
    for name, choices in (
        ("workloads", WORKLOADS),
        ("savers", SAVERS),
        ("apis", APIS),
        ("durabilities", APIS),
        ("libraries", LIBRARIES),
    ):
        every = list(choices)
        parser.add_argument(f"--{name}", nargs="+", choices=every, default=every, help=f"some of {', '.join(every)}")
    parser.add_argument("--repeats", type=int, default=3, help="how often each cell is run (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="short runs: a look, not a measurement")
    parser.add_argument("--size", type=int, help="supersteps, turns, tasks or threads, for all workloads")
    parser.add_argument("--seed", type=int, default=7, help="of the order of cells (%(default)s)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench", help="where databases are made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
