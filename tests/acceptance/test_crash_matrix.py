"""A process is killed before and after every append and every task body; a fresh one goes on with the thread."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.crash_program import Found

ROOT = Path(__file__).parents[2]
LINE = {"steps": ["a", "b", "c", "d"], "total": 4}
ENDS: dict[str, list[dict[str, Any]]] = {
    "chain": [LINE],
    "fan_out": [{"steps": ["split", "beside", 1, 20, 300, "gathered 321", "joined 6"], "total": 321}],
    "subgraphs": [{"steps": ["first", "inner 1", "inner 2", "called 1", "called 2"]}],
    "questions": [{"steps": ["Ada", "green", "sure True", "after"]}],
    "fork": [LINE, LINE, {"steps": ["a", "b", "edited", "c", "d"], "total": 14}],
}
"""What the state of each branch is at the end, when nobody is killed."""
BODIES = {"chain": 4, "fan_out": 7, "subgraphs": 6, "questions": 3, "fork": 8}
"""How many task bodies run to their end, when nobody is killed."""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a saver for each place: a file, or a tenant."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/PLACE/log.db"
    url: str = request.getfixturevalue("postgres_url")
    return f"{url}{'&' if '?' in url else '?'}tenant=PLACE"


def explore(folder: Path, store: str, *arguments: str) -> list[Found]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.crash_program", str(folder), store, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [Found(**one) for one in json.loads(ran.stdout)]


def names(lines: list[str], word: str) -> list[str]:
    """Return the tasks of the side file's lines that begin with a word."""
    return [line.partition(" ")[2] for line in lines if line.startswith(word)]


def check_point(found: Found, whole: Found) -> None:
    """What holds after a kill anywhere, with any durability."""
    assert found.sound == [True, True]
    assert found.ended == whole.ended
    assert set(found.recorded) & set(names(found.after, "begin")) == set(), "a recorded task ran again"
    assert max(Counter(found.recorded_after).values()) == 1, "a task was recorded twice"
    assert set(found.recorded) <= set(found.recorded_after), "a recorded task vanished"
    assert found.done == whole.done, "a task was done anew under another id"
    assert found.unfinished == []


def check_lost(found: Found, program: str) -> None:
    """What a kill loses with durability `sync`: at most the task that ended last (and the one that it is called in)."""
    ended = [name for name in names(found.before, "end") if name not in found.recorded]
    assert len(ended) <= (2 if program == "subgraphs" else 1)
    assert sorted(names(found.after, "end")) == sorted(set(names(found.after, "begin")))
    if program != "questions":  # a node that asked begins anew for each answer
        assert max(Counter(names(found.after, "begin")).values(), default=1) == 1


def is_prefix(found: Found, whole: Found) -> bool:
    return found.story == whole.story[: len(found.story)]


@pytest.mark.parametrize("world", ["sync", "async"])
@pytest.mark.parametrize("program", ENDS)
def test_killed_anywhere_a_thread_ends_as_if_nobody_was(tmp_path: Path, store: str, program: str, world: str) -> None:
    """Killed at any place, a thread that a fresh process goes on with ends in the uninterrupted run's state; no task
    whose success was in the log runs again, and what depends on a task has not begun before its success is in the log.
    """
    *killed, whole = explore(tmp_path, store, program, world)
    assert not whole.killed
    assert all(one.killed for one in killed)
    assert whole.ended == ENDS[program]
    assert len(names(whole.before, "end")) == BODIES[program]
    assert len(killed) >= 2 * BODIES[program] + 4
    for one in killed:
        check_point(one, whole)
        check_lost(one, program)
        if program != "fan_out":  # its tasks end in any order
            assert is_prefix(one, whole)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("world", ["sync", "async"])
@pytest.mark.parametrize(("durability", "places", "fatal"), [("async", 19, 10), ("exit", 1, 10)])
def test_weaker_durability_loses_the_end_only(
    tmp_path: Path, store: str, world: str, durability: str, places: int, fatal: int
) -> None:
    """With durability `async` and `exit` a kill leaves a prefix of the uninterrupted log, whose chain holds, and going
    on ends in the same state.

    How many appends there are depends on how far the appending thread is behind: at least one, and at most as many as
    with `sync`. So the first `fatal` places are met by every run, and the last of `places` by none.
    """
    places *= 2 if world == "async" else 1
    *found, whole = explore(tmp_path, store, "chain", world, durability, str(places))
    assert not whole.killed
    assert whole.ended == ENDS["chain"]
    assert len(found) >= fatal
    assert all(one.killed for one in found[:fatal])
    for one in found:
        check_point(one, whole)
        assert is_prefix(one, whole)
