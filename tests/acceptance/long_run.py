"""A process that works through one thread of forty steps after another until it is killed, and its driver.

    python -m tests.acceptance.long_run FOLDER URL sync|async SEED KILLS

The driver forks, before any saver was opened, a child for each life, kills it with SIGKILL at a random time after it
has begun, and in the end lets one finish the thread that is open.
"""

import asyncio
import operator
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

from perdure import END, START, CompiledGraph, StateGraph, open_saver
from perdure.ports import Saver
from tests.acceptance.crash_stage import Stage
from tests.acceptance.forks import fork, prepare, reap

STEPS: Final = 40
NOTE: Final = "A step leaves a note, and forty notes are enough to be worth a snapshot. " * 40
LONGEST: Final = 0.06
"""Seconds of a life: about as long as forty steps take."""


class Counted(TypedDict):
    count: int
    notes: Annotated[list[str], operator.add]


def counting(stage: Stage, saver: Saver) -> CompiledGraph:
    """A node that counts, until it has counted forty."""

    def count(state: Counted) -> dict[str, Any]:
        return {"count": state["count"] + 1, "notes": [f"{state['count'] + 1}: {NOTE}"]}

    builder = StateGraph(Counted)
    builder.add_node("count", stage.node(count))
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", lambda state: END if state["count"] == STEPS else "count", ["count", END])
    return builder.compile(saver)


def live(url: str, stage: Stage, begun: int, *, for_ever: bool) -> None:
    """Go on with the open thread, then begin new ones for ever. Says on `begun` that the database is open."""
    with open_saver(url) as saver:
        graph = counting(stage, saver)
        number = max(len(saver.list_threads(limit=10_000)) - 1, 0)
        os.write(begun, b"!")
        run_on(graph, number, stage.asynchronous)
        while for_ever:
            number += 1
            run_on(graph, number, stage.asynchronous)


def run_on(graph: CompiledGraph, number: int, asynchronous: bool) -> None:
    """Bring one thread to its end, wherever it stands."""
    config: Any = {"thread_id": f"{number:04}"}
    state = graph.get_state(config)
    if state.metadata is None or state.next:
        given = {"count": 0} if state.metadata is None else None
        if asynchronous:
            asyncio.run(graph.ainvoke(given, config))
        else:
            graph.invoke(given, config)


def main(folder: str, url: str, world: str, seed: str, kills: str) -> None:
    lengths, stage = random.Random(seed), Stage(Path(folder) / "side", world == "async")
    begun, begin = os.pipe()
    prepare(url)
    for _ in range(int(kills)):
        pid = fork(lambda: live(url, stage, begin, for_ever=True))
        os.read(begun, 1)
        time.sleep(lengths.uniform(0, LONGEST))
        os.kill(pid, signal.SIGKILL)
        if not reap(pid):
            raise RuntimeError("a process that runs for ever ended")
    reap(fork(lambda: live(url, stage, begin, for_ever=False)))


if __name__ == "__main__":
    main(*sys.argv[1:])
