"""Where a process is killed: before and after every append, and before and after every task body.

Here: the count of these places, the appends and the nodes that pass them, and the side file in which bodies say that
they ran. Not here: graphs (`crash_graphs`) and processes (`crash_program`).
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from threading import Lock
from typing import Any

from perdure.ids import locate_checkpoint
from perdure.types import RunnableConfig

Work = Callable[[Any], Any]


@dataclass
class Stage:
    """One process: its world, its side file, and the number of the place at which it dies (None: nowhere)."""

    side: Path
    asynchronous: bool
    fatal: int | None = None
    passed: int = 0
    gate: Lock = field(default_factory=Lock)
    turn: Lock = field(default_factory=Lock)
    aturn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def point(self) -> None:
        """Pass one place, or die there."""
        with self.gate:
            number, self.passed = self.passed, self.passed + 1
        if number == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def node(self, work: Work, *, in_turn: bool = False) -> Callable[..., Any]:
        """Return `work` as a node of this process's world.

        `in_turn`: of several that run side by side, the next one ends when this one's result is in the log. That fixes
        the number of appends, and so what each number means.
        """

        def run(state: Any, config: RunnableConfig) -> Any:
            self._begin(config)
            result = work(state)
            if in_turn:
                self.turn.acquire()
            self._end(config)
            return result

        async def arun(state: Any, config: RunnableConfig) -> Any:
            self._begin(config)
            result = work(state)
            if isawaitable(result):
                result = await result
            if in_turn:
                await self.aturn.acquire()
            self._end(config)
            return result

        return arun if self.asynchronous else run

    def call(self, graph: Any, given: Any) -> Any | Awaitable[Any]:
        """Call a graph inside a node."""
        return graph.ainvoke(given) if self.asynchronous else graph.invoke(given)

    @contextmanager
    def append(self, asynchronous: bool) -> Iterator[None]:
        """Make an append pass a place before and one after it, then let the next node in turn end.

        An async append of SQLite's saver passes four: it is committed after its statements.
        """
        self.point()
        yield
        self.point()
        if asynchronous == self.asynchronous:
            for turn in (self.turn, self.aturn):
                if turn.locked():
                    turn.release()

    def lines(self) -> list[str]:
        """Return what bodies have written, in all processes that had this side file."""
        return self.side.read_text().splitlines() if self.side.exists() else []

    def _begin(self, config: RunnableConfig) -> None:
        self.point()
        self._write(f"begin {identity(config)}")

    def _end(self, config: RunnableConfig) -> None:
        self._write(f"end {identity(config)}")
        self.point()

    def _write(self, line: str) -> None:
        with self.side.open("a", buffering=1) as file:
            file.write(line + "\n")


def identity(config: RunnableConfig) -> str:
    """Return `branch task` of the task that has this config. A fork's open tasks keep their ids, so both are needed."""
    place = config["configurable"]
    found = locate_checkpoint(place["checkpoint_id"])
    assert found is not None
    return f"{found[0]} {place['checkpoint_ns'].rpartition(':')[2]}"
