"""Large threads: 100,000 events are read by windows, and a window costs what a window costs.

The bounds are generous multiples of what records need; a saver that fetches a whole thread to hand out a part of it
needs about ten times as much.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ClassVar

from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.conformance.processes import ManyProcesses
from perdure.testing.conformance.suite import Connect, MakeSaver, SaverClauses
from perdure.testing.faces import FACES
from perdure.testing.walker import EVENTS, FEW_EVENTS, WINDOW, fill, growth_by_walking, peak_of, walk
from perdure.testing.watching import settled_tail

WINDOW_BYTES = 8 * 2**20
"""What Python may hold while a window of 1,000 small records is read: 8 KiB a record."""
WALK_BYTES = 32 * 2**20
"""By how much a process may grow, drivers and all, while it reads 100,000 small records window by window."""


def _windows(saver: Saver) -> dict[str, Callable[[], list[Record]]]:
    middle = saver.read("t", MAIN_BRANCH, after=EVENTS // 2, limit=1)[0]
    kind = middle.kind
    return {
        "the first": lambda: saver.read("t", MAIN_BRANCH, limit=WINDOW),
        "from the middle": lambda: saver.read("t", MAIN_BRANCH, after=middle.seq, limit=WINDOW),
        "up to the middle": lambda: saver.read("t", MAIN_BRANCH, after=middle.seq - WINDOW, upto=middle.seq),
        "the last": lambda: saver.read("t", MAIN_BRANCH, after=EVENTS - WINDOW),
        "the newest first": lambda: saver.read("t", MAIN_BRANCH, limit=WINDOW, newest_first=True),
        "by kind": lambda: saver.read("t", MAIN_BRANCH, after=middle.seq, limit=WINDOW, kinds=[kind]),
        "of the tail": lambda: saver.tail(after=middle.position, limit=WINDOW),
    }


class LargeClauses(SaverClauses):
    """100,000 events on one branch."""

    capability: ClassVar[str] = "large-threads"

    def test_windows_of_a_large_thread_cost_windows(self, make_saver: MakeSaver) -> None:
        """Wherever a window of 1,000 stands, and whichever face reads it, Python never holds more than 8 MiB for it."""
        with make_saver() as saver:
            fill(saver, "t")
            settled_tail(saver, WINDOW, after=saver.read("t", MAIN_BRANCH, after=EVENTS - WINDOW - 1)[0].position)
            for face, show in FACES.items():
                for name, read in _windows(show(saver)).items():
                    assert len(read()) == WINDOW, (face, name)
                    assert peak_of(read) <= WINDOW_BYTES, (face, name)
            assert walk(saver, "t") == EVENTS


class LargeWalkClauses(ManyProcesses):
    """100,000 events, read by another process."""

    capability: ClassVar[str] = "large-threads"

    def test_walking_through_a_large_thread_costs_windows(self, make_saver: MakeSaver, connect: Connect) -> None:
        """A process that reads all of it by windows of 1,000 grows by at most 32 MiB."""
        with make_saver() as saver:
            fill(saver, "few", FEW_EVENTS)
            fill(saver, "many")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            assert pool.submit(growth_by_walking, connect, "few", "many").result() <= WALK_BYTES
