"""A process that is killed while its log is behind what it has done, just after it could have kept a snapshot."""

import operator
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Final, TypedDict

from perdure import END, START, CompiledGraph, StateGraph
from perdure.ports import Saver
from perdure_sqlite import SqliteSaver
from tests.acceptance.worlds import World, invoke

CONFIG: Final[Any] = {"thread_id": "ahead"}
WORDS: Final = 6
LARGE: Final = "." * 70_000
"""More than the log must grow before a snapshot is worth it."""


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def speaking(saver: Saver, said: str, at: Callable[[int], object]) -> CompiledGraph:
    """Say a large word six times, one a step; `at` hears the number of each before."""

    def speak(state: Words) -> dict[str, list[str]]:
        number = len(state["words"])
        at(number)
        return {"words": [f"{said} {number}{LARGE}"]}

    builder = StateGraph(Words)
    builder.add_node("speak", speak)
    builder.add_edge(START, "speak")
    builder.add_conditional_edges(
        "speak", lambda state: END if len(state["words"]) == WORDS else "speak", ["speak", END]
    )
    return builder.compile(saver)


class SlowSaver(SqliteSaver):
    """Its second append waits until the run is far ahead; the third one kills the process.

    The first one accepts the run's input, which no durability leaves behind.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.accepted, self.begun, self.go_on = Event(), Event(), Event()

    def append(self, *args: Any, **options: Any) -> int:
        if not self.accepted.is_set():
            self.accepted.set()
            return super().append(*args, **options)
        if self.begun.is_set():
            os.kill(os.getpid(), signal.SIGKILL)
        self.begun.set()
        self.go_on.wait()
        return super().append(*args, **options)


def run_ahead(path: Path, world: World, pipe: Connection) -> None:
    """Run until killed: three steps are done when the append of the first of them goes on."""
    saver = SlowSaver(path)

    def at(number: int) -> None:
        if number == 1:
            saver.begun.wait()
        if number == 3:
            saver.go_on.set()
            Event().wait()

    pipe.send("running")
    invoke(speaking(saver, "lost", at), {"words": []}, CONFIG, world, durability="async")
