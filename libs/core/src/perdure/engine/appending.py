"""What an append asks of the saver, decided once for both worlds. Nothing here waits."""

from collections.abc import Sequence

from perdure.engine.load import Loaded, load_at
from perdure.engine.session import Session
from perdure.engine.writer import Batch
from perdure.lineage import Ask, Asking


def appended(session: Session, batches: Sequence[Batch]) -> Asking[None]:
    """Append batches as one, then store a snapshot when one is due."""
    writer, terms = session.writer, session.terms
    records = batches[0].records if len(batches) == 1 else [one for batch in batches for one in batch.records]
    yield Ask(
        "append",
        (writer.thread_id, writer.branch),
        {
            "expected_seq": records[0].seq - 1,
            "records": records,
            "opens": batches[0].opens,
            "current": any(batch.current for batch in batches),
        },
    )
    session.settled = True
    snapshot = writer.due_snapshot()
    if snapshot is not None:
        yield Ask("put_snapshot", (writer.thread_id, snapshot))
    if terms.suspending:
        loaded: Loaded = yield from load_at(writer.thread_id, writer.branch, records[-1].seq)
        writer.restart(loaded.state)
