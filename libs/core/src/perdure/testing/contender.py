"""What other writers do to a saver while the suite looks on. Imports no pytest: a child process must start fast."""

from collections.abc import Callable
from time import monotonic, sleep

from perdure.chain import GENESIS
from perdure.errors import StaleWriterError, ThreadDeletedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.records import BLANK, grow, write_records

MEETING = "~"
"""Begins the ids of threads by which processes find each other; no other id of the suite is beyond it."""

PATIENCE = 30.0
"""Seconds until a process that waits for others believes that one has failed."""


def meet(saver: Saver, name: str, others: int) -> None:
    """Wait until as many have come as were expected, so that what follows happens at once (a processor each)."""
    grow(saver, f"{MEETING}{name}")
    deadline = monotonic() + PATIENCE
    while len(saver.list_threads(after=MEETING, limit=others)) < others:
        if monotonic() > deadline:
            raise TimeoutError(f"{name} waited {PATIENCE} seconds, and not all {others} came.")
        sleep(0.0005)


def append_one(saver: Saver, thread_id: str, note: str) -> int:
    """Append a record where a thread's main branch stands; return how often another writer was first."""
    lost = 0
    while True:
        head = saver.head(thread_id, MAIN_BRANCH)
        seq, hash = (head.seq, head.hash) if head else (0, GENESIS)
        records = write_records(thread_id, after=BLANK._replace(seq=seq, hash=hash), note=note)
        try:
            saver.append(thread_id, MAIN_BRANCH, expected_seq=seq, records=records)
        except StaleWriterError:
            lost += 1
        else:
            return lost


def contend(connect: Callable[[], Saver], thread_id: str, rounds: int, note: str, others: int) -> int:
    """Append `rounds` records to a thread that others append to as well; return how often another was first."""
    with connect() as saver:
        meet(saver, note, others)
        return sum(append_one(saver, thread_id, note) for _ in range(rounds))


def write_until_deleted(connect: Callable[[], Saver], thread_id: str, note: str, others: int) -> int:
    """Append to a thread that others append to as well until it is deleted; return how many records that were."""
    written = 0
    with connect() as saver:
        meet(saver, note, others)
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            try:
                append_one(saver, thread_id, note)
            except ThreadDeletedError:
                return written
            written += 1
    raise TimeoutError(f"{note} appended for {PATIENCE} seconds to a thread that nobody deleted.")


def append_pairs(saver: Saver, thread_id: str, appends: int) -> list[int]:
    """Append `appends` times two records to a thread that nobody else writes; return the positions."""
    positions = []
    last = None
    for _ in range(appends):
        records = write_records(thread_id, 2, after=last)
        positions.append(saver.append(thread_id, MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records))
        last = records[-1]
    return positions


def append_between_refusals(saver: Saver, thread_id: str, appends: int) -> list[int]:
    """`append_pairs`, with an append that must be refused before each: one that comes too late, or far too early."""
    positions = []
    last = None
    for number in range(appends):
        records = write_records(thread_id, 2, after=last)
        _be_refused(saver, thread_id, number)
        positions.append(saver.append(thread_id, MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records))
        last = records[-1]
    return positions


def _be_refused(saver: Saver, thread_id: str, appended: int) -> None:
    wrong = write_records(thread_id, 3, note="refused") if appended else write_records(thread_id, 9)[3:]
    try:
        saver.append(thread_id, MAIN_BRANCH, expected_seq=wrong[0].seq - 1, records=wrong)
    except StaleWriterError:
        return
    raise AssertionError(f"An append to {thread_id!r} at {wrong[0].seq} was not refused.")


def work(connect: Callable[[], Saver], thread_id: str, appends: int, others: int) -> list[int]:
    """`append_between_refusals` with a saver of one's own, while others do the same."""
    with connect() as saver:
        meet(saver, thread_id, others)
        return append_between_refusals(saver, thread_id, appends)


def first_touch(connect: Callable[[], Saver], thread_id: str) -> int:
    """Open a saver on storage that may not exist yet, append one record and return its position."""
    with connect() as saver:
        grow(saver, thread_id)
        return saver.read(thread_id, MAIN_BRANCH)[0].position
