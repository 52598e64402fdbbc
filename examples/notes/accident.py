"""The accident: a process that kills itself in the middle of the fan-out, and how one sees which tasks ran where.

A workflow of yours needs none of this. It is here to prove that a real SIGKILL costs nothing that was recorded.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0
"""Seconds to wait for the tasks that shall be recorded before the kill."""


@dataclass(frozen=True, slots=True)
class Accident:
    """Kills the process with SIGKILL once half of the fan-out's tasks stand in the log."""

    recorded: Callable[[], int]

    def threaten(self, number: int, total: int) -> None:
        """Let the first half of the tasks pass; in the others wait for the first half to be recorded, then kill."""
        half = total // 2
        if number < half:
            return
        until = time.monotonic() + PATIENCE
        while self.recorded() < half and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Diary:
    """A side file to which each task adds a line when its work is done: the witness beside the log."""

    path: Path

    def add(self, task: str) -> None:
        """Add a line: the process and the task."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\t{task}\n")

    def done_twice(self) -> int:
        """Return how many tasks did their work more than once."""
        return sum(times > 1 for times in Counter(task for _, task in self._lines()).values())

    def done_by(self, process: int) -> int:
        """Return how many tasks a process did."""
        return sum(int(pid) == process for pid, _ in self._lines())

    def _lines(self) -> list[tuple[str, str]]:
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [(pid, task) for pid, _, task in (line.partition("\t") for line in lines)]
