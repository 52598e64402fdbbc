"""Whether a thread's log holds: every event of every branch, recomputed."""

from dataclasses import dataclass

from perdure.chain import GENESIS
from perdure.codec import decode_event
from perdure.errors import CorruptEventError
from perdure.events import Record
from perdure.lineage import Ask, Asking, Segment, replay
from perdure.ports import Branch


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `problem` is the first event that does not hold."""

    thread_id: str
    branches: int
    events: int
    problem: CorruptEventError | None = None

    @property
    def ok(self) -> bool:
        """Tell whether every event holds."""
        return self.problem is None

    def __bool__(self) -> bool:
        return self.ok


def verify(thread_id: str) -> Asking[Verification]:
    """Recompute the hash chain of every branch, parents first; a fork continues its parent's chain."""
    yield Ask("head", (thread_id,))  # a deleted thread says so
    branches: list[Branch] = yield Ask("branches", (thread_id,))
    events = 0
    for branch in branches:
        seen: list[int] = []

        def consume(record: Record, seen: list[int] = seen) -> None:
            decode_event(record)
            seen.append(record.seq)

        try:
            previous = yield from _hash_at(thread_id, branch)
            span = Segment(branch.id, branch.fork_seq, branch.head_seq)
            yield from replay(thread_id, [span], branch.fork_seq, previous, consume)
        except CorruptEventError as problem:
            return Verification(thread_id, len(branches), events + len(seen), problem)
        events += len(seen)
    return Verification(thread_id, len(branches), events)


def _hash_at(thread_id: str, branch: Branch) -> Asking[bytes]:
    """Return the hash that a branch's first event follows."""
    if branch.parent is None:
        return GENESIS
    branches: list[Branch] = yield Ask("branches", (thread_id,))
    by_id = {one.id: one for one in branches}
    owner = by_id[branch.parent]
    while owner.parent is not None and branch.fork_seq <= owner.fork_seq:
        owner = by_id[owner.parent]
    found: list[Record] = yield Ask(
        "read", (thread_id, owner.id), {"after": branch.fork_seq - 1, "upto": branch.fork_seq, "limit": 1}
    )
    if not found:
        raise CorruptEventError(
            f"Thread {thread_id!r}, branch {owner.id!r} lacks event {branch.fork_seq}, at which branch {branch.id!r}"
            " begins.",
            thread_id=thread_id,
            branch=owner.id,
            seq=branch.fork_seq,
        )
    return found[0].hash
