"""Logs under test: savers that remember their appends, deterministic ids and clocks, and copies of threads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from threading import Lock
from typing import Any, Final, NamedTuple

from perdure.call import Settings
from perdure.codec import decode_event
from perdure.engine.load import Loaded, load_at
from perdure.events import Event, Record, RunStarted, TaskFailed, TaskSucceeded
from perdure.lineage import answer, lineage
from perdure.ports import Branch, Current, Saver
from perdure.rules.project import ThreadState
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver
from tests.laws.scripts import THREAD


class Appended(NamedTuple):
    """One append, as it was asked for."""

    branch: str
    expected_seq: int
    records: tuple[Record, ...]
    opens: Branch | None
    current: Current


class MemoryJournal(InMemorySaver):
    """A memory saver that remembers its appends."""

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[Appended] = []

    def append(  # the port's
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
    ) -> int:
        position = super().append(
            thread_id, branch, expected_seq=expected_seq, records=records, opens=opens, current=current
        )
        self.journal.append(Appended(branch, expected_seq, tuple(records), opens, current))
        return position


KINDS: Final = ("memory", "sqlite")


@contextmanager
def opened(kind: str) -> Iterator[Saver]:
    """Open an empty saver."""
    with InMemorySaver() if kind == "memory" else SqliteSaver(":memory:") as saver:
        yield saver


class CountedIds:
    """Ids that count."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def mint(self) -> str:
        """Return the next number as 16 hexadecimal characters."""
        return f"{next(self._numbers):016x}"


class CountedTime:
    """A clock that ticks once a look."""

    def __init__(self) -> None:
        self._now = 1_700_000_000_000_000
        self._lock = Lock()

    def now(self) -> int:
        """Return the next microsecond."""
        with self._lock:
            self._now += 1
            return self._now


def counted() -> Settings:
    """Return settings under which the same run writes the same ids and times."""
    return Settings(ids=CountedIds(), clock=CountedTime())


def timeless(saver: Saver) -> dict[str, list[tuple[Any, ...]]]:
    """Return the thread's events by branch, with all of their envelopes but hashes, and without what is measured."""
    return {
        one.id: [(*record[:11], essence(decode_event(record))) for record in saver.read(THREAD, one.id)]
        for one in saver.branches(THREAD)
    }


def essence(event: Event) -> Event:
    """Return an event without durations, durability and tracebacks: what the same program says again in any world."""
    match event:
        case TaskSucceeded():
            return replace(event, duration_us=0)
        case TaskFailed():
            return replace(event, traceback="")
        case RunStarted():
            return replace(event, durability="sync")
        case _:
            return event


def write(saver: Saver, appends: Sequence[Appended]) -> None:
    """Append what another saver was asked to append."""
    for one in appends:
        saver.append(
            THREAD,
            one.branch,
            expected_seq=one.expected_seq,
            records=one.records,
            opens=one.opens,
            current=one.current,
        )


def copy(source: Saver, target: Saver) -> None:
    """Copy the thread record by record, in the order in which it was written; no snapshots."""
    head = source.head(THREAD)
    opening = {one.id: one._replace(head_seq=one.fork_seq, position=0) for one in source.branches(THREAD)}
    for record in source.tail(limit=1_000_000):
        if record.thread_id == THREAD:
            opens = opening.pop(record.branch, None)
            newest = head is not None and (head.branch, head.seq) == (record.branch, record.seq)
            target.append(
                THREAD,
                record.branch,
                expected_seq=record.seq - 1,
                records=[record._replace(position=0)],
                opens=None if opens is None or opens.parent is None else opens,
                current="becomes" if newest else "any",
            )


def rows(saver: Saver) -> dict[str, list[tuple[Any, ...]]]:
    """Return the thread's records by branch, without the place that each saver gives them."""
    return {one.id: [record[:13] for record in saver.read(THREAD, one.id)] for one in saver.branches(THREAD)}


def fold(saver: Saver, branch: str, seq: int) -> ThreadState:
    """Return what the log adds up to at an event, from nothing."""
    saver.drop_snapshots(THREAD)
    loaded: Loaded = answer(load_at(THREAD, branch, seq), saver)
    return loaded.state


def line(saver: Saver, branch: str) -> list[Record]:
    """Return all records on a branch's line of history."""
    branches = saver.branches(THREAD)
    head = next(one.head_seq for one in branches if one.id == branch)
    spans = lineage(branches, branch, head)
    return [one for span in spans for one in saver.read(THREAD, span.branch, after=span.after, upto=span.upto)]
