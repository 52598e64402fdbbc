"""The run's one writer: it stamps events with seq and hash, keeps the projection in step, and hands batches on.

All flows of a run record through it (from several threads in the sync world), so it is locked. Stamping happens in
memory; a driver's `Flush` makes the batch durable before anything that depends on it runs.
"""

from threading import Lock
from typing import Final

from perdure.chain import seal
from perdure.channels.base import MISSING
from perdure.channels.describe import marks
from perdure.codec import VERSION, decode_event, encode_event
from perdure.codecs import dumps, loads
from perdure.errors import MutatedStateError
from perdure.events import Event, Record, StepCommitted
from perdure.ids import Clock, IdSource, checkpoint_id
from perdure.ports import Branch, Current, Snapshot
from perdure.rules.differ import first_difference
from perdure.rules.freeze import freeze, pack, thaw
from perdure.rules.project import GraphState, ThreadState, Written, evolve
from perdure.signals import RunCancelled

FLOOR: Final = 64 * 1024
"""Bytes of payload before a first snapshot is worth it."""


class Batch:
    """Records that wait to be appended together."""

    __slots__ = ("current", "opens", "records")

    def __init__(self, records: list[Record], opens: Branch | None, current: Current) -> None:
        self.records = records
        self.opens = opens
        self.current = current


class Writer:
    """Stamps and collects a run's events on one branch of one thread.

    `durable=False` (a graph without a saver) keeps the projection only.
    """

    def __init__(
        self, thread_id: str, branch: str, state: ThreadState, *, clock: Clock, ids: IdSource, durable: bool
    ) -> None:
        self.thread_id = thread_id
        self.branch = branch
        self.state = state
        self.actor = ""
        self.run_id = ""
        self.opens: Branch | None = None
        self.current: Current = "any"
        self.cold: ThreadState | None = None
        """Strict mode: the same projection, made from the stored bytes alone."""
        self.grown = 0
        self.snapshot_size = 0
        self.closed = False
        """The run has ended; a node's thread that outlives it writes no more."""
        self._clock = clock
        self._ids = ids
        self._durable = durable
        self._pending: list[Record] = []
        self._lock = Lock()

    def record(
        self,
        event: Event,
        namespace: str = "",
        task_id: str = "",
        *,
        written: Written | None = None,
        run_id: str = "",
    ) -> Record:
        """Stamp one event and bring the projection up to date; return its record.

        `written` holds the full values of the event's writes, as the caller has them (see `evolve`).

        Raises EncodeError when it cannot be stored; then nothing has happened.
        """
        payload = encode_event(event) if self._durable else b""
        with self._lock:
            if self.closed:
                raise RunCancelled
            record = self._stamp(event, namespace, task_id, run_id or self.run_id, payload)
            try:
                evolve(self.state, record, event, written)
            except BaseException:
                self.closed = True  # the projection is half changed: nothing may follow from it
                raise
            if self._durable:
                self._pending.append(record)
                self.grown += len(payload)
            if self.cold is not None:
                self._compare(record, namespace)
        return record

    def take(self) -> Batch | None:
        """Return what is to be appended and forget it; None when there is nothing."""
        with self._lock:
            if not self._pending:
                return None
            batch = Batch(self._pending, self.opens, self.current)
            self._pending, self.opens, self.current = [], None, "any"
            return batch

    def close(self) -> None:
        """Record no more; whoever tries is unwound."""
        with self._lock:
            self.closed = True

    @property
    def dirty(self) -> bool:
        """Tell whether anything waits to be appended."""
        return bool(self._pending)

    def due_snapshot(self, durable_seq: int) -> Snapshot | None:
        """Return a snapshot when the log has outgrown the last one, or None.

        None, too, while the projection is ahead of what is durable (up to `durable_seq`).

        It is due when the bytes since the last one exceed that one's size: so all snapshots together hold about twice
        of what was written (and are stored packed), and a read folds a bounded multiple of its state.
        """
        if self.grown < max(FLOOR, self.snapshot_size):
            return None
        with self._lock:
            if self.state.seq != durable_seq:
                return None
            payload = dumps(freeze(self.state))
            self.grown, self.snapshot_size = 0, len(payload)
            return Snapshot(self.branch, self.state.seq, self.state.hash, pack(payload))

    def restart(self, state: ThreadState) -> None:
        """Go on with a projection folded from the log, unless something was recorded since."""
        with self._lock:
            if not self._pending and state.seq == self.state.seq:
                for namespace, graph in state.graphs.items():
                    _carry_over(self.state.graphs[namespace], graph)
                self.state = state

    def be_strict(self) -> None:
        """From now on compare the projection with one made from bytes, after each checkpoint."""
        self.cold = thaw(loads(dumps(freeze(self.state))))

    def _stamp(self, event: Event, namespace: str, task_id: str, run_id: str, payload: bytes) -> Record:
        seq = self.state.seq + 1
        checkpoint = ""
        if type(event) is StepCommitted:
            checkpoint = checkpoint_id(self.branch, seq, self._ids.mint())
        envelope = (
            self.thread_id,
            self.branch,
            seq,
            type(event).__name__,
            VERSION,
            run_id,
            namespace,
            checkpoint,
            task_id,
            self._clock.now(),
            self.actor,
        )
        hash = seal(self.state.hash, envelope, payload) if self._durable else b""
        return Record(*envelope, hash, payload)

    def _compare(self, record: Record, namespace: str) -> None:
        assert self.cold is not None
        evolve(self.cold, record, decode_event(record))
        if not record.checkpoint_id:
            return
        warm, cold = self.state.graph(namespace).values, self.cold.graph(namespace).values
        path = first_difference(cold, warm)
        if path is not None:
            raise MutatedStateError(
                f"State at {path} was changed in place and not returned, so the log does not hold the change."
                " Return it from the node that changes it.",
                path=path,
            )


def _carry_over(before: GraphState, graph: GraphState) -> None:
    """Give a graph folded from the log what no log holds: fingerprints, and values that are never written to it."""
    graph.tracked = {name: marks(graph.values.get(name, MISSING)) for name in before.tracked}
    graph.untracked = before.untracked
    for id, task in graph.tasks.items():
        if id in before.tasks:
            task.loose = before.tasks[id].loose
