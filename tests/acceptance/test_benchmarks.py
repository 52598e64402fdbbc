"""The benchmarks work: small runs of every workload, and what a report says of them."""

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.cell import Cell
from benchmarks.cells import Run
from benchmarks.libraries.face import DATABASES, Api, LibraryName
from benchmarks.libraries.perdure.words import LIBRARY
from benchmarks.play import Stage, do, do_async, play, play_async
from benchmarks.report import Spread, rows_of
from benchmarks.workloads import chain, crowd, resume
from benchmarks.workloads.every import WORKLOADS
from benchmarks.workloads.requests import Figures, Fresh, Invoke, Many, Request, Script, Told
from benchmarks.workloads.workload import Figure, Goal, Place, Probe, Workload
from perdure import Saver
from perdure_memory import InMemorySaver
from tests.postgres.cluster import Cluster

ROOT = Path(__file__).parents[2]


def run_benchmarks(file: Path, *words: str, **environment: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "--repeats", "1", "--folder", str(file.parent), "--json", str(file)]
    run = subprocess.run(
        [*command, *words], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=170,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for row in found["rows"]:
        assert row["unit"] in run.stdout
    return found


@pytest.mark.parametrize(
    ("workloads", "saver", "api"),
    [
        ("w1", "none", "sync"),
        ("w1", "sqlite", "async"),
        ("w2", "sqlite", "sync"),
        ("w4 w5 w6", "memory", "sync"),
        ("w1 w2", "postgres", "sync"),
        ("w3", "postgres", "sync"),
        ("w4 w5 w6", "postgres", "async"),
    ],
)
def test_a_tiny_run_of_each_workload(tmp_path: Path, workloads: str, saver: str, api: str) -> None:
    """Both libraries run the same cells; table and JSON hold every figure and the ratio of each pair."""
    names = workloads.split()
    words = ["--workloads", *names, "--savers", saver, "--apis", api, "--size", "6"]
    found = run_benchmarks(tmp_path / "out.json", *words)
    expected = {
        name: {one.name for one in WORKLOADS[name].figures if saver in DATABASES or not one.of_database}
        for name in names
    }
    assert {(row["workload"], row["figure"]) for row in found["rows"]} == {
        (name, figure) for name in names for figure in expected[name]
    }
    assert {run["library"] for run in found["runs"]} == {"perdure", "langgraph"}
    for run in found["runs"]:
        assert run["figures"].keys() == expected[run["workload"]]
        assert run["figures"].get("errors", 0) == 0
    for row in found["rows"]:
        if row["times"] is not None:
            (middle, least, greatest) = row["times"]
            assert 0 < least == middle == greatest
    assert found["versions"]["langgraph"] == "1.2.22"


def test_a_server_for_the_benchmarks_flushes_and_is_named(tmp_path: Path) -> None:
    """PostgreSQL of our own has fsync on; a report says so."""
    words = ["--workloads", "w1", "--savers", "postgres", "--apis", "async", "--libraries", "perdure", "--size", "3"]
    settings = run_benchmarks(tmp_path / "out.json", *words, PERDURE_TEST_POSTGRES="")["machine"]["postgres"]
    assert settings["server_version"].startswith("18")
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == ("on", "on", "on")


def test_the_environment_may_name_a_server(tmp_path: Path, postgres: Cluster) -> None:
    """`PERDURE_TEST_POSTGRES` is used, and its databases are gone afterwards."""
    words = ["--workloads", "w1", "--savers", "postgres", "--apis", "async", "--libraries", "perdure", "--size", "3"]
    databases = "select array_agg(datname::text order by 1) from pg_database"
    with postgres.admin() as connection:
        before = connection.execute(databases).fetchone()
        found = run_benchmarks(tmp_path / "out.json", *words, PERDURE_TEST_POSTGRES=postgres.admin_url)
        assert connection.execute(databases).fetchone() == before
        fsync = connection.execute("show fsync").fetchone()
    assert (found["machine"]["postgres"]["fsync"],) == fsync


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    """A failing child is an exit code and its last words, not a hole in the table."""
    command = [sys.executable, "-m", "benchmarks", "--workloads", "w1", "--savers", "none", "--apis", "sync"]
    more = ["--libraries", "perdure", "--repeats", "1", "--size", "-20", "--folder", str(tmp_path)]
    run = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "w1 none sync perdure: " in run.stderr
    assert "recursion_limit" in run.stderr


def nothing() -> int:
    return 0


def stage(saver: Saver | None, build: Any = chain.build, api: Api = "sync") -> Stage:
    """Return a compiled graph of perdure with what its script needs."""
    graph = build(LIBRARY, api).compile(checkpointer=saver)
    return Stage(graph, LIBRARY, {}, lambda fresh: pytest.fail(f"nobody asked for {fresh}"))


NO_PROBE = Probe(nothing, nothing)


def test_the_scripts_do_the_same_in_both_worlds() -> None:
    """One script, two drivers: the same calls give the same figures but for the clock."""
    ours = play(chain.script(5, NO_PROBE), partial(do, stage(None)))
    theirs = asyncio.run(play_async(chain.script(5, NO_PROBE), partial(do_async, stage(None, api="async"))))
    assert ours.keys() == theirs.keys() == {one.name for one in WORKLOADS["w1"].figures}


def w3_sync() -> Figures:
    it = stage(InMemorySaver(), resume.build)

    def perform(request: Request) -> Any:
        if isinstance(request, Fresh):
            return Told(play(phase(request), perform), 1.0)
        return do(it, request)

    return play(resume.script(6, NO_PROBE), perform)


async def w3_async() -> Figures:
    it = stage(InMemorySaver(), resume.build, "async")

    async def perform(request: Request) -> Any:
        if isinstance(request, Fresh):
            return Told(await play_async(phase(request), perform), 1.0)
        return await do_async(it, request)

    return await play_async(resume.script(6, NO_PROBE), perform)


def phase(fresh: Fresh) -> Script:
    """Return the script of a phase, with what it is given as a fresh process sees it."""
    return resume.PHASES[fresh.phase](json.loads(json.dumps(fresh.given)), NO_PROBE)


def test_w3_does_the_same_in_both_worlds() -> None:
    """What a script and its phases ask for, both drivers can do."""
    expected = {one.name for one in WORKLOADS["w3"].figures}
    assert w3_sync().keys() == asyncio.run(w3_async()).keys() == expected


@pytest.mark.parametrize("api", ["sync", "async"])
def test_what_fails_among_many_is_counted(api: Api) -> None:
    """One run that cannot begin is an error, and the others' results stand in their places."""
    it = stage(InMemorySaver(), crowd.build, api)
    calls = [crowd.start(Random(seed), hook=False) for seed in range(20)]
    calls[7] = Invoke({"no such key": 1}, calls[7].config)
    results = do(it, Many(calls)) if api == "sync" else asyncio.run(do_async(it, Many(calls)))
    assert [number for number, result in enumerate(results) if isinstance(result, Exception)] == [7]
    assert [result["tid"] for number, result in enumerate(results) if number != 7] == [
        call.input["tid"] for number, call in enumerate(calls) if number != 7
    ]


PLACE = Place("sqlite", "sync")


def measured(speeds: dict[LibraryName, list[float]], *goals: Goal) -> list[tuple[str, bool | None]]:
    """Return what a report says of goals, for one figure measured several times."""
    workload = Workload(
        "w", "", 9, 9, (PLACE,), (Figure("speed", "steps/s", "more"), Figure("errors", "errors", "less")), goals,
        chain.build, chain.script,
    )  # fmt: skip
    runs = [
        Run(Cell("w", 9, *PLACE, library), repeat, "", {"speed": speed, "errors": 0}, {})
        for library, each in speeds.items()
        for repeat, speed in enumerate(each)
    ]
    rows = rows_of(workload, runs)
    assert [row.figure for row in rows] == ["speed", "errors"]
    assert rows[0].times == Spread(2, 1.5, 4)
    return [(row.goal, row.reached) for row in rows]


def test_goals_are_held_against_the_pairs_of_one_run() -> None:
    """A ratio is made of two runs of one repetition; its median counts, and so does the median of what has a bound."""
    speeds: dict[LibraryName, list[float]] = {"perdure": [30, 20, 40], "langgraph": [20, 10, 10]}
    none = Goal(PLACE, "errors", most=0)
    assert measured(speeds, Goal(PLACE, "speed", times=2), none) == [("≥ 2 x", True), ("≤ 0", True)]
    assert measured(speeds, Goal(PLACE, "speed", times=2.5)) == [("≥ 2.5 x", False), ("", None)]
    assert measured(speeds, Goal(PLACE._replace(durability="async"), "speed", times=2)) == [("", None), ("", None)]
