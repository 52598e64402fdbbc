"""Workers that bring threads to their end, five steps each, while somebody does something to the server.

    python -m tests.postgres.load_program URL SIDE THREADS WORKERS

Every worker is a process with its share of the threads. Each other one is async, and has them all in hand at once. Each
step writes a line `thread step` to the file SIDE.
"""

import asyncio
import operator
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final, TypedDict

from perdure import END, START, CompiledGraph, StateGraph, open_saver
from perdure.ports import Saver
from perdure.types import RunnableConfig
from tests.acceptance.forks import fork, prepare, reap

STEPS: Final = ("one", "two", "three", "four", "five")
SECONDS: Final = 0.02
"""How long a step takes."""


class Walked(TypedDict):
    steps: Annotated[list[str], operator.add]


class Walk:
    """A step: it takes its time and has a side effect."""

    def __init__(self, name: str, side: int) -> None:
        self._name = name
        self._side = side

    def __call__(self, _: Walked, config: RunnableConfig) -> dict[str, list[str]]:
        time.sleep(SECONDS)
        return self._done(config)

    async def later(self, _: Walked, config: RunnableConfig) -> dict[str, list[str]]:
        await asyncio.sleep(SECONDS)
        return self._done(config)

    def _done(self, config: RunnableConfig) -> dict[str, list[str]]:
        os.write(self._side, f"{config['configurable']['thread_id']} {self._name}\n".encode())
        return {"steps": [self._name]}


def walking(saver: Saver, side: int, *, asynchronous: bool = False) -> CompiledGraph:
    """A line of five steps."""
    builder = StateGraph(Walked)
    for before, name in zip((START, *STEPS), STEPS, strict=False):
        step = Walk(name, side)
        builder.add_node(name, step.later if asynchronous else step)
        builder.add_edge(before, name)
    return builder.add_edge(STEPS[-1], END).compile(saver)


def work(url: str, side: int, threads: Sequence[str], *, asynchronous: bool) -> None:
    """Bring some threads to their end. Raises what the first failing run raises."""
    with open_saver(url) as saver:
        graph = walking(saver, side, asynchronous=asynchronous)
        if asynchronous:
            asyncio.run(_work(graph, threads))
        else:
            for thread_id in threads:
                graph.invoke({"steps": []}, {"thread_id": thread_id})


async def _work(graph: CompiledGraph, threads: Sequence[str]) -> None:
    await asyncio.gather(*(graph.ainvoke({"steps": []}, {"thread_id": thread_id}) for thread_id in threads))


def names(threads: int) -> list[str]:
    return [f"{number:04}" for number in range(threads)]


def main(url: str, path: str, threads: str, workers: str) -> None:
    prepare(url)
    side, count = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), int(workers)
    running: list[int] = []
    for number in range(count):
        share = names(int(threads))[number::count]
        running.append(fork(partial(work, url, side, share, asynchronous=number % 2 == 1)))
    for pid in running:
        reap(pid)


if __name__ == "__main__":
    main(*sys.argv[1:])
