"""What the runs add up to: median and range of each figure, ratios pair by pair, a table and a JSON file."""

import os
import platform
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from benchmarks.cells import Run
from benchmarks.libraries.face import Api, Durability, SaverKind
from benchmarks.workloads.workload import Figure, Goal, Place, Workload


class Spread(NamedTuple):
    """Median, least and greatest of some measurements."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """Summarise values; None when there are none."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1]) if found else None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure at one place, both libraries side by side. `times` is how many times better perdure is."""

    workload: str
    size: int
    saver: SaverKind
    api: Api
    durability: Durability
    figure: str
    unit: str
    perdure: Spread | None
    langgraph: Spread | None
    times: Spread | None
    goal: str
    reached: bool | None


def rows_of(workload: Workload, runs: list[Run]) -> list[Row]:
    """Return the rows of a workload, in the order of its places and figures."""
    mine = [run for run in runs if run.cell.workload == workload.name]
    rows = [
        _row(workload, place, figure, [run for run in mine if run.cell.place == place])
        for place in workload.places
        for figure in workload.figures
    ]
    return [row for row in rows if row is not None]


def _row(workload: Workload, place: Place, figure: Figure, runs: list[Run]) -> Row | None:
    values = {
        library: {run.repeat: run.figures[figure.name] for run in runs if run.cell.library == library}
        for library in ("perdure", "langgraph")
        if any(figure.name in run.figures for run in runs)
    }
    if not values:
        return None
    ours, theirs = values["perdure"], values["langgraph"]
    pairs = [(ours[repeat], theirs[repeat]) for repeat in ours if repeat in theirs]
    times = Spread.of(a / b if figure.better == "more" else b / a for a, b in pairs if a and b)
    shown = Spread.of(value * figure.scale for value in ours.values())
    size = runs[0].cell.size
    goal = next((one for one in workload.goals if (one.place, one.figure) == (place, figure.name)), None)
    if size != workload.size:
        goal = None
    return Row(
        workload=workload.name,
        size=size,
        saver=place.saver,
        api=place.api,
        durability=place.durability,
        figure=figure.name,
        unit=figure.unit,
        perdure=shown,
        langgraph=Spread.of(value * figure.scale for value in theirs.values()),
        times=times,
        goal=_goal(goal),
        reached=_reached(goal, shown, times),
    )


def _goal(goal: Goal | None) -> str:
    if goal is None:
        return ""
    return f"≥ {round(goal.times, 2):g} x" if goal.times is not None else f"≤ {goal.most:g}"


def _reached(goal: Goal | None, shown: Spread | None, times: Spread | None) -> bool | None:
    if goal is None:
        return None
    if goal.times is not None:
        return None if times is None else times.median >= goal.times
    assert goal.most is not None
    return None if shown is None else shown.median <= goal.most


def table(workload: Workload, rows: list[Row]) -> Table:
    """Return the rows as a table: median [least to greatest]."""
    size = rows[0].size if rows else workload.size
    title = f"{workload.name.upper()} {workload.title}, n = {size}"
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("saver", "API", "figure"):
        made.add_column(name)
    for name in ("perdure", "LangGraph", "times better", "goal"):
        made.add_column(name, justify="right")
    digits = {one.name: one.digits for one in workload.figures}
    for row in rows:
        mark = {None: "", True: " [green]yes[/]", False: " [red]no[/]"}[row.reached]
        many = digits[row.figure]
        cells = (_spread(row.perdure, many), _spread(row.langgraph, many), _spread(row.times, 2), row.goal + mark)
        how = row.api if row.durability == "sync" else f"{row.api}, durability {row.durability}"
        made.add_row(row.saver, how, row.unit, *cells)
    return made


def _spread(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "–"
    middle, least, greatest = (f"{value:,.{digits}f}" for value in spread)
    return middle if least == greatest else f"{middle} \\[{least} – {greatest}]"


def noise_line(runs: list[Run]) -> str:
    """Return how steady the machine was: compare runs of one session only, and little when this spreads far."""
    flush = Spread.of(run.noise["flush"] * 1e6 for run in runs)
    loop = Spread.of(run.noise["loop"] * 1e3 for run in runs)
    if flush is None or loop is None:
        return ""
    return (
        f"Machine: one flush {flush.median:.0f} µs [{flush.least:.0f} – {flush.greatest:.0f}], a loop of additions"
        f" {loop.median:.1f} ms [{loop.least:.1f} – {loop.greatest:.1f}]"
    )


def server_line(settings: dict[str, str]) -> str:
    """Return what the PostgreSQL server promises."""
    told = [f"{name} {value}" for name, value in settings.items() if name != "server_version"]
    return f"PostgreSQL {settings['server_version']}: {', '.join(told)}" if settings else ""


def as_json(runs: list[Run], rows: list[Row], options: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    """Return everything that was measured, for machines. Figures of runs are in seconds and bytes."""
    return {
        "options": options,
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "postgres": settings,
            "processors": os.cpu_count(),
        },
        "versions": {run.cell.library: run.version for run in runs},
        "rows": [asdict(row) for row in rows],
        "runs": [{**asdict(run.cell), "repeat": run.repeat, **_figures(run)} for run in runs],
    }


def _figures(run: Run) -> dict[str, Any]:
    return {"figures": run.figures, "noise": run.noise}
