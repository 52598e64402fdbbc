"""Real records for tests: chained as the engine chains them, so that what a saver keeps can be verified."""

import orjson

from perdure.chain import GENESIS, link
from perdure.events import Kind, Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver

BLANK = Record(
    thread_id="",
    branch=MAIN_BRANCH,
    seq=0,
    kind=Kind.CALL_RECORDED.value,
    version=1,
    run_id="0123456789abcdef",
    namespace="",
    checkpoint_id="",
    task_id="fedcba9876543210",
    recorded_at=1_700_000_000_000_000,
    actor="",
    hash=GENESIS,
    payload=b"",
)
"""A record to vary with `_replace`. An empty payload stands for a small JSON text that is different in each record."""


def write_records(
    thread_id: str,
    count: int = 1,
    *,
    branch: str = MAIN_BRANCH,
    after: Record | None = None,
    note: str = "",
    like: Record = BLANK,
) -> list[Record]:
    """Return `count` records that follow `after` (None: they begin the thread).

    Args:
        thread_id: Whose records they are.
        count: How many.
        branch: Their branch; a fork's first record follows one of its parent's.
        after: The record before the first.
        note: Goes into the payload, so that two writers' records differ.
        like: Gives all fields that are not said here.
    """
    written: list[Record] = []
    hash, seq = (after.hash, after.seq) if after else (GENESIS, 0)
    for _ in range(count):
        seq += 1
        payload = like.payload or orjson.dumps({"note": note, "seq": seq})
        # By place, because large threads are made of this; `_replace` would take twice the time.
        bare = Record(thread_id, branch, seq, *like[3:9], like.recorded_at + seq, like.actor, b"", payload)
        hash = link(hash, bare)
        written.append(bare._replace(hash=hash))
    return written


def grow(
    saver: Saver,
    thread_id: str,
    count: int = 1,
    *,
    branch: str = MAIN_BRANCH,
    after: Record | None = None,
    note: str = "",
) -> list[Record]:
    """Write records as `write_records` does, append them, and return them."""
    records = write_records(thread_id, count, branch=branch, after=after, note=note)
    saver.append(thread_id, branch, expected_seq=records[0].seq - 1, records=records)
    return records


def fork(saver: Saver, branch: str, *, at: Record, count: int = 1, name: str | None = None) -> list[Record]:
    """Open `branch` at a record of its parent with `count` records of its own, and return these."""
    records = write_records(at.thread_id, count, branch=branch, after=at)
    opens = Branch(branch, parent=at.branch, fork_seq=at.seq, name=name)
    saver.append(at.thread_id, branch, expected_seq=at.seq, records=records, opens=opens)
    return records
