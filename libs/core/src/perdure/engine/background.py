"""Durability `async` in the sync world: one thread that appends, in order, what runs ahead of it.

The queue is bounded: a run that is much faster than its disk waits (back-pressure). An error of the thread reaches the
run at its next flush, and at the latest when the run ends.
"""

from queue import Empty, Queue
from threading import Thread
from typing import Final

from perdure.engine.appending import appended
from perdure.engine.session import Session
from perdure.engine.writer import Batch
from perdure.lineage import answer
from perdure.ports import Saver

AHEAD: Final = 1024
"""Batches that may wait."""


class Background:
    """Appends batches behind a run's back."""

    def __init__(self, session: Session, saver: Saver) -> None:
        self._session = session
        self._saver = saver
        self._queue: Queue[Batch | None] = Queue(AHEAD)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="perdure-append", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand over a batch; wait while too many are queued. Raises what an earlier append raised."""
        if self._error is not None:
            raise self._error
        self._queue.put(batch)

    def settle(self) -> None:
        """Wait until everything handed over is durable and end the thread. Raises what an append raised."""
        self._queue.put(None)
        self._thread.join()
        self._session.background = None
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        ending = False
        while not ending:
            batches = [self._queue.get()]
            while True:
                try:
                    batches.append(self._queue.get_nowait())
                except Empty:
                    break
            ending = batches[-1] is None
            ready = [batch for batch in batches if batch is not None]
            if ready and self._error is None:
                try:
                    answer(appended(self._session, ready), self._saver)
                except BaseException as error:  # told to the run, which is where it can be handled
                    self._error = error
