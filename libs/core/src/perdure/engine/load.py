"""From the log to a projection: the newest snapshot on the line of history, then the events after it."""

from dataclasses import dataclass

from perdure.chain import GENESIS
from perdure.codec import decode_event
from perdure.codecs import loads
from perdure.errors import CorruptEventError, DecodeError
from perdure.events import Kind, Record
from perdure.ids import MAIN_BRANCH
from perdure.lineage import (
    Ask,
    Asking,
    Segment,
    find_checkpoint,
    newest_snapshot,
    no_such_branch,
    replay,
    segments_of,
)
from perdure.ports import Head, Snapshot
from perdure.rules.freeze import thaw, unpack
from perdure.rules.project import ThreadState, evolve


@dataclass(slots=True)
class Loaded:
    """A projection and what its writer must know of the log behind it."""

    branch: str
    state: ThreadState
    grown: int = 0
    """Bytes of payload since the newest snapshot."""
    snapshot_size: int = 0


def empty() -> Loaded:
    """Return the projection of a thread without a log."""
    return Loaded(MAIN_BRANCH, ThreadState(hash=GENESIS))


def load_head(thread_id: str, branch: str | None = None) -> Asking[Loaded | None]:
    """Return the projection at a branch's head (None: the current branch's), or None when there is no such thread.

    Raises UsageError when the thread has no branch of that name.
    """
    head: Head | None = yield Ask("head", (thread_id, branch))
    if head is None:
        if branch is not None:
            branches = yield Ask("branches", (thread_id,))
            raise no_such_branch(thread_id, branch, branches)
        return None
    return (yield from load_at(thread_id, head.branch, head.seq))


def is_head(thread_id: str, loaded: Loaded) -> Asking[bool]:
    """Tell whether a projection is what the thread's current branch stands at now."""
    head: Head | None = yield Ask("head", (thread_id,))
    return head is not None and head == (loaded.branch, loaded.state.seq, loaded.state.hash)


def load_addressed(thread_id: str, checkpoint: str) -> Asking[tuple[Loaded, Record, bool]]:
    """Return the projection to go on from at a checkpoint, its record, and whether a fork begins there.

    A branch's newest checkpoint is its head: one goes on in place. Raises UnknownCheckpointError.
    """
    record = yield from find_checkpoint(thread_id, checkpoint)
    head = yield from load_head(thread_id, record.branch)
    if head is not None and head.state.graph(record.namespace).checkpoint == checkpoint:
        return head, record, False
    loaded = yield from load_at(thread_id, record.branch, record.seq)
    return loaded, record, True


def load_at(thread_id: str, branch: str, seq: int) -> Asking[Loaded]:
    """Return the projection of a branch after event `seq`.

    Raises CorruptEventError or DecodeError when a stored event does not hold.
    """
    segments = yield from segments_of(thread_id, branch, seq)
    snapshot = yield from newest_snapshot(thread_id, segments)
    if snapshot is not None:
        loaded = yield from _from_snapshot(thread_id, branch, segments, snapshot)
        if loaded is not None:
            return loaded
    return (yield from _fold(thread_id, segments, Loaded(branch, ThreadState(hash=GENESIS))))


def fold_record(state: ThreadState, record: Record) -> None:
    """Bring a projection up to date with a stored event.

    Raises CorruptEventError (DecodeError) when it is none, or does not follow from the events before it.
    """
    event = decode_event(record)
    try:
        evolve(state, record, event)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as exc:
        raise CorruptEventError(
            f"Event {record.seq} ({record.kind}) of thread {record.thread_id!r}, branch {record.branch!r} does not"
            f" follow from the events before it: {type(exc).__name__}: {exc}.",
            thread_id=record.thread_id,
            branch=record.branch,
            seq=record.seq,
        ) from exc


def _from_snapshot(thread_id: str, branch: str, segments: list[Segment], snapshot: Snapshot) -> Asking[Loaded | None]:
    """Fold from a snapshot; None when it does not fit the log (it is a cache: fold from the start instead)."""
    place = (thread_id, snapshot.branch)
    found: list[Record] = yield Ask("read", place, {"after": snapshot.seq - 1, "upto": snapshot.seq, "limit": 1})
    if not found or found[0].hash != snapshot.hash:
        return None
    try:
        state = thaw(loads(plain := unpack(snapshot.payload)))
    except (DecodeError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    if (state.seq, state.hash) != (snapshot.seq, snapshot.hash) or not _agrees(state, found[0]):
        return None
    loaded = Loaded(branch, state, snapshot_size=len(plain))
    try:
        return (yield from _fold(thread_id, segments, loaded))
    except CorruptEventError:
        return None


def _agrees(state: ThreadState, newest: Record) -> bool:
    """Tell whether a snapshot stands at the checkpoint that its newest event made, if that made one."""
    return newest.kind != Kind.STEP_COMMITTED or state.graph(newest.namespace).checkpoint == newest.checkpoint_id


def _fold(thread_id: str, segments: list[Segment], loaded: Loaded) -> Asking[Loaded]:
    state = loaded.state

    def consume(record: Record) -> None:
        fold_record(state, record)
        loaded.grown += len(record.payload)

    yield from replay(thread_id, segments, state.seq, state.hash, consume)
    return loaded
