"""What a flush asks of the saver, decided once for both worlds. Nothing here waits."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from perdure.engine.background import Background
from perdure.engine.load import load_at
from perdure.engine.session import Session
from perdure.engine.writer import Batch
from perdure.lineage import Ask, Asking, answer
from perdure.ports import Saver


class Block(NamedTuple):
    """Effect of a flush: call this; it may block the calling thread for a while."""

    work: Callable[[], None]

    def on(self, driver: "Blocking") -> Any:
        """Let a driver do it."""
        return driver.block(self.work)


class Blocking(Protocol):
    """A driver, as far as this effect needs one."""

    def block(self, work: Callable[[], None]) -> Any:
        """Call work that may block."""


def flushing(session: Session, last: bool) -> Generator[Ask | Block, Any, None]:
    """Make what was recorded durable: now (`sync`), soon (`async`), or when the run ends (`exit`)."""
    saver, durability = session.saver, session.terms.durability
    if session.failed is not None:
        raise session.failed
    if saver is None or (durability == "exit" and not last):
        return
    if durability == "async" and session.settled and not last:  # the first append is the claim: never behind the back
        batch = session.writer.take()
        if batch is not None:
            background = _background(session, saver)
            if not background.offer(batch):
                yield Block(partial(background.put, batch))
        return
    if session.background is not None:
        yield Block(session.background.settle)
        session.background = None
    batch = session.writer.take()
    if batch is not None:
        yield from appended(session, [batch])


def appended(session: Session, batches: Sequence[Batch]) -> Asking[None]:
    """Append batches as one, then store a snapshot when one is due."""
    writer, terms = session.writer, session.terms
    records = batches[0].records if len(batches) == 1 else [one for batch in batches for one in batch.records]
    options = {
        "expected_seq": records[0].seq - 1,
        "records": records,
        "opens": batches[0].opens,
        "current": next((batch.current for batch in batches if batch.current != "any"), "any"),
    }
    try:
        yield Ask("append", (writer.thread_id, writer.branch), options)
    except BaseException as error:
        session.failed = error
        raise
    session.settled = True
    try:
        snapshot = writer.due_snapshot(records[-1].seq)
        if snapshot is not None:
            yield Ask("put_snapshot", (writer.thread_id, snapshot))
    except Exception:  # noqa: BLE001 - a cache: the events are safe, and the next growth tries again
        writer.grown = 0
    if terms.suspending:
        loaded = yield from load_at(writer.thread_id, writer.branch, records[-1].seq)
        writer.restart(loaded.state)


def _background(session: Session, saver: Saver) -> Background:
    if session.background is None:
        session.background = Background(lambda batches: answer(appended(session, batches), saver))
    return session.background
