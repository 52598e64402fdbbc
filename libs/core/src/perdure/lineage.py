"""Reading a line of history, derived once from the saver's primitives.

Everything here is a flow: a generator that yields `Ask` (one call of a saver's method) and is sent the answer, so that
it is written once for sync and async. A line of history is a chain of segments: a branch's own events, before them
its parent's up to the fork, and so on.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from perdure.chain import link
from perdure.errors import CorruptEventError, UnknownCheckpointError, UsageError
from perdure.events import Kind, Record
from perdure.ids import locate_checkpoint
from perdure.ports import Branch, Saver, Snapshot

T = TypeVar("T")

PAGE: Final = 1000
"""Events per read: bounds memory and how long a read transaction lives."""


class Answering(Protocol):
    """A driver, as far as a flow that only asks needs one."""

    def ask(self, question: "Ask") -> Any:
        """Call the saver."""


class Ask(NamedTuple):
    """Effect: call this method of the saver and send its answer."""

    method: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - a tuple's default, never mutated

    def on(self, driver: Answering) -> Any:
        """Let a driver do it."""
        return driver.ask(self)


Asking: TypeAlias = Generator[Ask, Any, T]


class SyncCalls:
    """The sync face of a saver, as a driver of flows that only ask."""

    def __init__(self, saver: Saver | None) -> None:
        self._saver = saver

    def ask(self, question: Ask) -> Any:
        """Call the saver."""
        return getattr(self._saver, question.method)(*question.args, **question.options)


class AsyncCalls:
    """The async face of a saver, as a driver of flows that only ask."""

    def __init__(self, saver: Saver | None) -> None:
        self._saver = saver

    def ask(self, question: Ask) -> Any:
        """Call the saver; the caller awaits."""
        return getattr(self._saver, "a" + question.method)(*question.args, **question.options)


def answer(flow: Asking[T], saver: Saver) -> T:
    """Drive a flow that only asks, sync."""
    return run_asks(flow, SyncCalls(saver))


async def aanswer(flow: Asking[T], saver: Saver) -> T:
    """Drive a flow that only asks, async."""
    return await arun_asks(flow, AsyncCalls(saver))


def run_asks(flow: Generator[Any, Any, T], driver: Any) -> T:
    """Drive a flow whose every effect the driver does at once."""
    try:
        effect = next(flow)
        while True:
            try:
                reply = effect.on(driver)
            except Exception as exc:  # noqa: BLE001 - for the flow to handle
                effect = flow.throw(exc)
            else:
                effect = flow.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def arun_asks(flow: Generator[Any, Any, T], driver: Any) -> T:
    """Drive a flow whose every effect the driver gives something to await for."""
    turn = partial(next, flow)
    try:
        while True:
            turn = await _after(flow, turn(), driver)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def _after(flow: Generator[Any, Any, T], effect: Any, driver: Any) -> "partial[Any]":
    try:
        return partial(flow.send, await effect.on(driver))
    except Exception as exc:  # noqa: BLE001 - for the flow to handle
        return partial(flow.throw, exc)


class Segment(NamedTuple):
    """The part `after < seq <= upto` of one branch."""

    branch: str
    after: int
    upto: int


def lineage(branches: list[Branch], branch: str, upto: int) -> list[Segment]:
    """Return the segments that make up a branch's history up to `upto`, oldest first."""
    by_id = {one.id: one for one in branches}
    segments: list[Segment] = []
    name: str | None = branch
    while name is not None:
        one = by_id[name]
        if upto > one.fork_seq:
            segments.append(Segment(name, one.fork_seq, upto))
        upto = min(upto, one.fork_seq)
        name = one.parent
    return segments[::-1]


def segments_of(thread_id: str, branch: str, upto: int) -> Asking[list[Segment]]:
    """Return a branch's history as segments; `main` needs no look at the list of branches."""
    if branch == "main":
        return [Segment(branch, 0, upto)]
    branches = yield Ask("branches", (thread_id,))
    return lineage(branches, branch, upto)


def newest_snapshot(thread_id: str, segments: list[Segment]) -> Asking[Snapshot | None]:
    """Return the newest snapshot on a line of history."""
    for segment in reversed(segments):
        found: Snapshot | None = yield Ask("get_snapshot", (thread_id, segment.branch), {"upto": segment.upto})
        if found is not None and found.seq > segment.after:
            return found
    return None


def replay(
    thread_id: str, segments: list[Segment], after: int, previous: bytes, consume: Callable[[Record], None]
) -> Asking[None]:
    """Hand each record with `seq > after` on a line of history to `consume`, in order, its hash verified.

    Raises CorruptEventError that names the first record which is missing or does not hold.
    """
    seq = after
    for segment in segments:
        while seq < segment.upto:
            page: list[Record] = yield Ask(
                "read", (thread_id, segment.branch), {"after": seq, "upto": segment.upto, "limit": PAGE}
            )
            if not page:
                raise _gap(thread_id, segment.branch, seq + 1, None)
            for record in page:
                if record.seq != seq + 1:
                    raise _gap(thread_id, segment.branch, seq + 1, record.seq)
                check(previous, record)
                consume(record)
                seq, previous = record.seq, record.hash


def check(previous: bytes, record: Record) -> None:
    """Raise CorruptEventError unless the record's hash follows from `previous` and its content."""
    expected = link(previous, record)
    if record.hash != expected:
        raise CorruptEventError(
            f"Event {record.seq} ({record.kind}) of thread {record.thread_id!r}, branch {record.branch!r} does not"
            f" hold: its hash is {record.hash.hex()[:16]}…, but its content and the event before it give"
            f" {expected.hex()[:16]}…. The stored row was changed; restore it from a copy, or fork from a checkpoint"
            " before it.",
            thread_id=record.thread_id,
            branch=record.branch,
            seq=record.seq,
            found=record.hash.hex(),
            expected=expected.hex(),
        )


def find_checkpoint(thread_id: str, checkpoint: str) -> Asking[Record]:
    """Return the record of a checkpoint.

    Raises UnknownCheckpointError when the thread has none of this id (another thread's, a pruned one, a typo).
    """
    place = locate_checkpoint(checkpoint)
    if place is not None:
        branch, seq = place
        found: list[Record] = yield Ask("read", (thread_id, branch), {"after": seq - 1, "upto": seq, "limit": 1})
        if found and found[0].kind == Kind.STEP_COMMITTED and found[0].checkpoint_id == checkpoint:
            return found[0]
    raise UnknownCheckpointError(
        f"Thread {thread_id!r} has no checkpoint {checkpoint!r}. Ids come from `get_state(config).config` or"
        " `get_state_history(config)` of this very thread."
    )


def no_such_branch(thread_id: str, branch: str, branches: list[Branch]) -> UsageError:
    """Return the error for a branch that a thread does not have."""
    return UsageError(f"Thread {thread_id!r} has no branch {branch!r}; it has {[one.id for one in branches]}.")


def _gap(thread_id: str, branch: str, expected: int, found: int | None) -> CorruptEventError:
    place = "nothing" if found is None else f"event {found}"
    return CorruptEventError(
        f"Thread {thread_id!r}, branch {branch!r} lacks event {expected}: found {place}. A row was removed.",
        thread_id=thread_id,
        branch=branch,
        seq=expected,
        found=place,
        expected=str(expected),
    )
