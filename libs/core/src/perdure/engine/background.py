"""Durability `async`: a thread that appends, in order, behind a run's back.

The queue is bounded: a run that is much faster than its disk waits (back-pressure). An error of the thread reaches the
run at its next flush, and at the latest when the run ends.
"""

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from time import sleep
from typing import Final

from perdure.engine.writer import Batch

AHEAD: Final = 1024
"""Batches that may wait."""
PATIENCE: Final = 0.01
"""Seconds between two looks at a queue that is full."""


class Background:
    """Appends batches, those that wait together as one."""

    def __init__(self, append: Callable[[list[Batch]], None]) -> None:
        self._append = append
        self._queue: Queue[Batch | None] = Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="perdure-append", daemon=True)
        self._thread.start()

    def offer(self, batch: Batch) -> bool:
        """Hand over a batch unless too many wait. Raises what an earlier append raised."""
        self._check()
        try:
            self._queue.put_nowait(batch)
        except Full:
            return False
        return True

    def put(self, batch: Batch) -> None:
        """Hand over a batch; block while too many wait. Raises what an earlier append raised."""
        while not self.offer(batch):
            sleep(PATIENCE)

    def settle(self) -> None:
        """Block until everything handed over is durable, and end the thread. Raises what an append raised."""
        while self._thread.is_alive():
            with suppress(Full):
                self._queue.put(None, timeout=PATIENCE)
                break
        self._thread.join()
        self._check()

    def abandon(self) -> None:
        """Let the thread end without waiting for it: its run has ended by an error."""
        self._error = self._error or RuntimeError("the run has ended")
        with suppress(Full):
            self._queue.put_nowait(None)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        ending = False
        while not ending and self._error is None:
            batches = [self._queue.get()]
            while not self._queue.empty():
                try:
                    batches.append(self._queue.get_nowait())
                except Empty:
                    break
            ending = batches[-1] is None
            ready = [batch for batch in batches if batch is not None]
            if ready and self._error is None:
                try:
                    self._append(ready)
                except BaseException as error:  # noqa: BLE001 - told to the run, which is where it can be handled
                    self._error = error
