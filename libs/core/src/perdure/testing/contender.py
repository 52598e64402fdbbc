"""What another process does to a saver while the suite looks on. Imports no pytest: a child must start fast."""

from collections.abc import Callable

from perdure.chain import GENESIS
from perdure.errors import StaleWriterError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.records import BLANK, grow, write_records


def contend(connect: Callable[[], Saver], thread_id: str, rounds: int, note: str) -> int:
    """Append `rounds` records to a thread that others append to as well; return how often another was first."""
    lost = 0
    with connect() as saver:
        won = 0
        while won < rounds:
            head = saver.head(thread_id, MAIN_BRANCH)
            seq, hash = (head.seq, head.hash) if head else (0, GENESIS)
            records = write_records(thread_id, after=BLANK._replace(seq=seq, hash=hash), note=note)
            try:
                saver.append(thread_id, MAIN_BRANCH, expected_seq=seq, records=records)
                won += 1
            except StaleWriterError:
                lost += 1
    return lost


def append_pairs(saver: Saver, thread_id: str, appends: int) -> list[int]:
    """Append `appends` times two records to a thread that nobody else writes; return the positions."""
    positions = []
    last = None
    for _ in range(appends):
        records = write_records(thread_id, 2, after=last)
        positions.append(saver.append(thread_id, MAIN_BRANCH, expected_seq=records[0].seq - 1, records=records))
        last = records[-1]
    return positions


def work(connect: Callable[[], Saver], thread_id: str, appends: int) -> list[int]:
    """`append_pairs` with a saver of one's own."""
    with connect() as saver:
        return append_pairs(saver, thread_id, appends)


def first_touch(connect: Callable[[], Saver], thread_id: str) -> int:
    """Open a saver on storage that may not exist yet, append one record and return its position."""
    with connect() as saver:
        grow(saver, thread_id)
        return saver.read(thread_id, MAIN_BRANCH)[0].position
