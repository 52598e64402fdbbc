"""Savers with one fault each, for the conformance suite to find."""

from collections.abc import Callable, Sequence
from time import sleep
from typing import Any

import orjson

from perdure.errors import StaleWriterError
from perdure.events import Record
from perdure.ports import Head, ThreadInfo
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver


class LateTail(InMemorySaver):
    """Shows every third event only when somebody has looked beyond it: as a sequence does that is read too early."""

    def __init__(self, *, tenant: str = "") -> None:
        super().__init__(tenant=tenant)
        self._shown = 0

    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        found = super().tail(after=after, limit=limit)
        last = found[-1].position if found else 0
        found = [record for record in found if record.position % 3 or record.position <= self._shown]
        self._shown = max(self._shown, last)
        return found


class RepeatingTail(InMemorySaver):
    """Takes `after` for the first event to show."""

    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return super().tail(after=after - 1, limit=limit)


class OverlongLines(InMemorySaver):
    """Reads a branch to its end, whatever was asked for."""

    def read(self, thread_id: str, branch: str, **window: Any) -> list[Record]:
        return super().read(thread_id, branch, **{**window, "upto": None})


class Compacting(InMemorySaver):
    """Believes that what a snapshot holds need not be kept as events."""

    def read(self, thread_id: str, branch: str, **window: Any) -> list[Record]:
        self._least = getattr(self, "_least", {})
        snapshot = self.get_snapshot(thread_id, branch, upto=10_000)
        self._least[branch] = max(self._least.get(branch, 0), snapshot.seq if snapshot else 0)
        return [one for one in super().read(thread_id, branch, **window) if one.seq > self._least[branch]]


class Tidying(InMemorySaver):
    """Parses what looks like JSON, and hands it out written anew."""

    def read(self, thread_id: str, branch: str, **window: Any) -> list[Record]:
        return [self._tidied(record) for record in super().read(thread_id, branch, **window)]

    @staticmethod
    def _tidied(record: Record) -> Record:
        try:
            return record._replace(payload=orjson.dumps(orjson.loads(record.payload)))
        except orjson.JSONDecodeError:
            return record


class Trusting(InMemorySaver):
    """Compares the head before it locks, and takes a stale append for one at the head."""

    def append(self, thread_id: str, branch: str, *, expected_seq: int, records: Sequence[Record], **more: Any) -> int:
        head = self.head(thread_id, branch)
        fits = (head.seq if head else 0) == expected_seq
        sleep(0.001)
        try:
            return super().append(thread_id, branch, expected_seq=expected_seq, records=records, **more)
        except StaleWriterError:
            if not fits:
                raise
            return 0


class Resurrecting(InMemorySaver):
    """Forgets that a thread was deleted."""

    def delete_thread(self, thread_id: str, **said: Any) -> int:
        removed = super().delete_thread(thread_id, **said)
        self._threads.pop(thread_id, None)
        return removed


class Hoarding(SqliteSaver):
    """Reads a whole thread to hand out a window of it."""

    def read(
        self, thread_id: str, branch: str, *, after: int = 0, limit: int | None = None, **more: Any
    ) -> list[Record]:
        found = [record for record in super().read(thread_id, branch, **more) if record.seq > after]
        return found[:limit]


class Remembering(SqliteSaver):
    """Keeps whatever it has read."""

    def read(self, thread_id: str, branch: str, **window: Any) -> list[Record]:
        found = super().read(thread_id, branch, **window)
        self._read = [*getattr(self, "_read", []), found]
        return found


class OneByOne(SqliteSaver):
    """Commits each record by itself, and takes its time."""

    def append(self, thread_id: str, branch: str, *, expected_seq: int, records: Sequence[Record], **more: Any) -> int:
        position = 0
        for number, record in enumerate(records):
            seq = expected_seq + number
            position = super().append(thread_id, branch, expected_seq=seq, records=[record], **more)
            more.pop("opens", None)
            sleep(0.001)
        return position


class Losing(SqliteSaver):
    """Says that an append is done, and writes it with the next one."""

    _waiting: Callable[[], int] | None = None

    def append(self, thread_id: str, branch: str, **what: Any) -> int:
        self._write()
        self._waiting = lambda: super(Losing, self).append(thread_id, branch, **what)
        return 1

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        self._write()
        return super().head(thread_id, branch)

    def read(self, thread_id: str, branch: str, **window: Any) -> list[Record]:
        self._write()
        return super().read(thread_id, branch, **window)

    def list_threads(self, **page: Any) -> list[ThreadInfo]:
        self._write()
        return super().list_threads(**page)
