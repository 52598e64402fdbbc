"""`InMemorySaver`: the port over plain structures, for tests, scripts and trying things out.

It keeps the very bytes that the other savers keep, refuses what they refuse, and deletes as they delete. Nothing
outlives the process. The async methods call the sync ones directly: there is nothing to wait for.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from threading import RLock

from perdure.append_rules import (
    check_append,
    check_name,
    check_parent,
    check_tenant,
    refuse_deleted,
    refuse_missing_branch,
    refuse_moved,
    require_chain,
    require_repeat,
    tombstone,
)
from perdure.chain import GENESIS
from perdure.errors import ClosedError, StoreUnavailableError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH, SystemClock
from perdure.ports import Branch, Current, Head, Snapshot, ThreadInfo
from perdure.sync_saver import Result, SyncSaver
from perdure_memory.shelf import Line, Order, Shelf, cost


class InMemorySaver(SyncSaver):
    """Keeps logs and snapshots in this process.

    `max_bytes` bounds what it holds: an append beyond it first drops all snapshots, and is refused
    (StoreUnavailableError, nothing written) if that is not enough.
    """

    def __init__(self, *, tenant: str = "", max_bytes: int | None = None) -> None:
        self.tenant = check_tenant(tenant)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = RLock()
        self._threads: dict[str, Shelf] = {}
        self._order = Order()
        self._position = 0
        self._closed = False

    # -- the log -------------------------------------------------------------------------------------------------

    def append(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
    ) -> int:
        check_append(thread_id, branch, expected_seq, records, opens)
        with self._lock:
            shelf = self._living(thread_id)
            line = shelf.lines.get(branch) if shelf else None
            if line is not None and (line.head_seq != expected_seq or opens is not None):
                standing = line.hashes(expected_seq, len(records))
                require_repeat(records, standing, expected_seq=expected_seq, head_seq=line.head_seq)
                return line.records[expected_seq + len(records) - line.base - 1].position
            if line is not None:
                require_chain(line.records[-1].hash, records, expected_seq=expected_seq)
            elif branch == MAIN_BRANCH and expected_seq == 0:
                require_chain(GENESIS, records, expected_seq=0)
            if current == "stays" and shelf is not None and shelf.current != branch:
                refuse_moved(thread_id, branch, expected_seq, shelf.current)
            self._make_room(cost(records) if self._max_bytes is not None else 0)
            if shelf is None or line is None:
                shelf, line = self._open_line(shelf, thread_id, branch, records[0], opens)
            if current == "becomes":
                shelf.current = branch
            return self._place(line, records)

    def _living(self, thread_id: str) -> Shelf | None:
        if self._closed:
            raise ClosedError
        shelf = self._threads.get(thread_id)
        if shelf is not None and shelf.deleted:
            refuse_deleted(thread_id)
        return shelf

    def _open_line(
        self, shelf: Shelf | None, thread_id: str, branch: str, first: Record, opens: Branch | None
    ) -> tuple[Shelf, Line]:
        if opens is not None:
            parent = shelf.lines.get(opens.parent or "") if shelf else None
            check_parent(opens, parent.head_seq if parent else None)
            if shelf is not None:
                line = shelf.lines[branch] = Line(opens)
                return shelf, line
        if shelf is not None or branch != MAIN_BRANCH or first.seq != 1:
            refuse_missing_branch(thread_id, branch, first.seq - 1)
        shelf = self._threads[thread_id] = Shelf(first.recorded_at)
        return shelf, shelf.lines[MAIN_BRANCH]

    def _make_room(self, wanted: int) -> None:
        if self._max_bytes is None or self._bytes + wanted <= self._max_bytes:
            return
        for shelf in self._threads.values():
            self._bytes -= sum(len(snapshot.payload) for snapshot in shelf.drop_snapshots())
        if self._bytes + wanted > self._max_bytes:
            raise StoreUnavailableError(
                f"The memory saver holds {self._bytes} of at most {self._max_bytes} bytes; {wanted} more do not fit."
                " Nothing was written; delete threads, raise max_bytes, or use a saver that keeps logs on disk."
            )

    def _place(self, line: Line, records: Sequence[Record]) -> int:
        position = self._position
        placed = []
        for record in records:
            position += 1
            # Half the time of record._replace(position=…), and this is the hot path.
            placed.append(tuple.__new__(Record, (*record[:13], position)))
        line.records += placed
        self._order.extend(placed)
        self._position = position
        if self._max_bytes is not None:
            self._bytes += cost(records)
        return position

    def read(
        self,
        thread_id: str,
        branch: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> list[Record]:
        with self._lock:
            line = self._line(thread_id, branch)
            found = line.window(after, upto) if line else []
        if kinds is not None:
            found = [record for record in found if record.kind in kinds]
        if newest_first:
            found.reverse()
        return found if limit is None else found[: max(limit, 0)]

    def _line(self, thread_id: str, branch: str) -> Line | None:
        if self._closed:
            raise ClosedError
        check_name(thread_id)
        shelf = self._threads.get(thread_id)
        return shelf.lines.get(branch) if shelf else None

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        check_name(thread_id)
        with self._lock:
            shelf = self._living(thread_id)
            line = shelf.lines.get(branch or shelf.current) if shelf else None
            if line is None:
                return None
            last = line.records[-1]
            return Head(last.branch, last.seq, last.hash)

    def branches(self, thread_id: str) -> list[Branch]:
        with self._lock:
            self._line(thread_id, MAIN_BRANCH)
            shelf = self._threads.get(thread_id)
            return [line.branch() for line in shelf.lines.values()] if shelf and not shelf.deleted else []

    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        with self._lock:
            if self._closed:
                raise ClosedError
            return self._order.after(after, limit)

    # -- snapshots -----------------------------------------------------------------------------------------------

    def put_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        with self._lock:
            line = self._line(thread_id, snapshot.branch)
            if line is None or self._threads[thread_id].deleted:
                return
            old = line.snapshots.get(snapshot.seq)
            grown = self._bytes + len(snapshot.payload) - (len(old.payload) if old else 0)
            if self._max_bytes is None or grown <= self._max_bytes:
                line.snapshots[snapshot.seq] = snapshot
                self._bytes = grown

    def get_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        with self._lock:
            line = self._line(thread_id, branch)
            if line is None:
                return None
            places = sorted(line.snapshots)
            index = bisect_right(places, upto)
            return line.snapshots[places[index - 1]] if index else None

    def drop_snapshots(self, thread_id: str) -> int:
        with self._lock:
            self._line(thread_id, MAIN_BRANCH)
            shelf = self._threads.get(thread_id)
            dropped = shelf.drop_snapshots() if shelf else []
            self._bytes -= sum(len(snapshot.payload) for snapshot in dropped)
            return len(dropped)

    # -- threads -------------------------------------------------------------------------------------------------

    def list_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        with self._lock:
            if self._closed:
                raise ClosedError
            ids = sorted(id for id, shelf in self._threads.items() if id > after and not shelf.deleted)
            return [self._info(id) for id in ids[: max(limit, 0)]]

    def _info(self, thread_id: str) -> ThreadInfo:
        shelf = self._threads[thread_id]
        last = shelf.lines[shelf.current].records[-1]
        return ThreadInfo(thread_id, shelf.current, shelf.created_at, last.recorded_at, last.position)

    def delete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        with self._lock:
            line = self._line(thread_id, MAIN_BRANCH)
            shelf = self._threads.get(thread_id)
            if shelf is None or line is None or shelf.deleted:
                return 0
            gone = shelf.records()
            now = SystemClock().now()
            stone = tombstone(line.records[-1], removed=len(gone), reason=reason, actor=actor, at=now)
            self.drop_snapshots(thread_id)
            if self._max_bytes is not None:
                self._bytes -= cost(gone)
            self._order.remove(gone)
            self._place(shelf.bury(), [stone])
            return len(gone)

    # -- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Do nothing: there is no schema."""
        if self._closed:
            raise ClosedError

    def close(self) -> None:
        """Forget everything: what was held exists nowhere else."""
        with self._lock:
            self._closed = True
            self._threads = {}
            self._order = Order()
            self._bytes = 0

    async def _elsewhere(self, call: Callable[[], Result], *, writes: bool = False) -> Result:
        return call()
