"""Many go on from one checkpoint of one thread at once: each has a branch of its own, so all win."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest

from perdure import open_saver
from tests.acceptance.two_writers import CONFIG, PATIENCE, Barrier, echoing, heard, process
from tests.acceptance.worlds import WORLDS, World, invoke

PROCESSES = 2
EACH = 8
"""Branches that each process opens at once."""


def branching(url: str, old: Any, world: World, barrier: Barrier, name: str, pipe: Connection) -> None:
    """Take a turn on each of some branches from one old checkpoint, all at once; send what came of them."""
    with open_saver(url) as saver, ThreadPoolExecutor(EACH) as pool:
        graph = echoing(saver)

        def branch(number: int) -> list[str]:
            barrier.wait(PATIENCE)
            entries: list[str] = invoke(graph, {"entries": [f"{name} {number}"]}, old, world)["entries"]
            return entries

        pipe.send(list(pool.map(branch, range(EACH))))


@pytest.mark.parametrize("world", WORLDS)
def test_sixteen_branches_of_one_thread_all_win(store: str, world: World) -> None:
    """None is refused, each sees the turns before its checkpoint and its own, and the chain of each holds."""
    with open_saver(store) as saver:
        graph = echoing(saver)
        graph.invoke({"entries": ["first"]}, CONFIG)
        old = graph.get_state(CONFIG).config
        graph.invoke({"entries": ["second"]}, CONFIG)
        barrier = get_context("spawn").Barrier(PROCESSES * EACH)
        with (
            process(branching, store, old, world, barrier, "left") as (_, left),
            process(branching, store, old, world, barrier, "right") as (_, right),
        ):
            found = [*heard(left), *heard(right)]
        begun, names = ["first", "echo of first"], [f"{side} {n}" for side in ("left", "right") for n in range(EACH)]
        assert found == [[*begun, name, f"echo of {name}"] for name in names]
        thread = graph.thread("shared")
        main, *forks = thread.branches()
        assert len(forks) == PROCESSES * EACH
        assert {one.parent for one in forks} == {main.id}
        assert len({one.fork_seq for one in forks}) == 1
        ended = [thread.history(branch=one.id)[0].values["entries"] for one in forks]
        assert sorted(ended) == sorted(found)
        assert thread.history(branch=main.id)[0].values["entries"] == [*begun, "second", "echo of second"]
        assert thread.verify()
