"""Reading a large thread by windows, and what that takes of memory. Imports no pytest: a child must start fast."""

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.records import write_records

EVENTS = 100_000
FEW_EVENTS = 2_000
WINDOW = 1_000
AT_ONCE = 5_000
"""Records that are appended at once."""


def fill(saver: Saver, thread_id: str, events: int = EVENTS) -> None:
    """Make a thread of so many events."""
    last: Record | None = None
    for seq in range(0, events, AT_ONCE):
        records = write_records(thread_id, min(AT_ONCE, events - seq), after=last)
        saver.append(thread_id, MAIN_BRANCH, expected_seq=seq, records=records)
        last = records[-1]


def walk(saver: Saver, thread_id: str) -> int:
    """Read a thread by windows; return how many events it has, if each follows the one before."""
    seq = 0
    while window := saver.read(thread_id, MAIN_BRANCH, after=seq, limit=WINDOW):
        assert [record.seq for record in window] == list(range(seq + 1, seq + len(window) + 1))
        seq = window[-1].seq
    return seq


def peak_of(read: Callable[[], list[Record]]) -> int:
    """Return how many bytes Python held at most while records were read, beyond those that it held before."""
    traced_before = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        read()
        return tracemalloc.get_traced_memory()[1] - held
    finally:
        if not traced_before:
            tracemalloc.stop()


def growth_by_walking(connect: Callable[[], Saver], few: str, many: str) -> int:
    """Return how many bytes this process's peak grows by walking through a large thread, after a small one."""
    with connect() as saver:
        assert walk(saver, few) == FEW_EVENTS
        before = _resident_peak()
        assert walk(saver, many) == EVENTS
        return _resident_peak() - before


def _resident_peak() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    # Not on Linux, where it also counts what the process was before it became this one; nor is it there on Windows.
    import resource  # noqa: PLC0415

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
