"""Writers for the tests of the tail: threads that append, hold transactions open, and roll back."""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import psycopg

from perdure.errors import StaleWriterError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch
from perdure.testing import grow, write_records
from perdure_postgres import PostgresSaver

THREADS = 6
"""Threads that each writer goes on with."""
LONGEST = 0.03
"""Seconds that a transaction is held open at most."""
Connection: TypeAlias = psycopg.Connection[Any]


class Writer:
    """Writes to threads of its own; a part of it is rolled back, and then written in another way."""

    def __init__(self, saver: PostgresSaver, name: str) -> None:
        self._saver = saver
        self._random = random.Random(name)
        self._last = {thread_id: grow(saver, thread_id)[0] for thread_id in (f"{name}{n}" for n in range(THREADS))}
        self._forks = 0
        self.written = THREADS

    def write(self, events: int, mine: Connection) -> int:
        """Write until there are so many events, or some more; return how many were committed."""
        ways = [self._alone, self._in_transaction, self._in_transaction, self._fork, self._together, self._too_late]
        while self.written < events:
            self._random.choice(ways)(mine)
        return self.written

    def _more(self, note: str = "") -> list[Record]:
        last = self._random.choice(list(self._last.values()))
        return write_records(last.thread_id, self._random.randint(1, 20), after=last, note=note)

    def _committed(self, records: list[Record]) -> None:
        self._last[records[0].thread_id] = records[-1]
        self.written += len(records)

    def _append(self, records: list[Record], mine: Connection | None = None) -> None:
        expected, first = records[0].seq - 1, records[0]
        self._saver.append(first.thread_id, MAIN_BRANCH, expected_seq=expected, records=records, connection=mine)

    def _alone(self, _: Connection) -> None:
        records = self._more()
        self._append(records)
        self._committed(records)

    def _in_transaction(self, mine: Connection) -> None:
        """Append twice, and keep others waiting meanwhile; one of three is rolled back."""
        commits = self._random.random() < 0.66
        with mine.transaction(force_rollback=not commits):
            records = self._more(note="" if commits else "rolled back")
            self._append(records, mine)
            time.sleep(self._random.uniform(0, LONGEST))
            rest = write_records(records[0].thread_id, 3, after=records[-1])
            self._append(rest, mine)
        if commits:
            self._committed(records + rest)

    def _fork(self, _: Connection) -> None:
        at = self._random.choice(list(self._last.values()))
        self._forks += 1
        records = write_records(at.thread_id, 4, branch=f"f{self._forks}", after=at)
        opens = Branch(records[0].branch, parent=MAIN_BRANCH, fork_seq=at.seq)
        self._saver.append(at.thread_id, opens.id, expected_seq=at.seq, records=records, opens=opens)
        self.written += len(records)

    def _together(self, _: Connection) -> None:
        """Append to all threads at once, from tasks of one event loop."""
        batches = [write_records(last.thread_id, 2, after=last) for last in self._last.values()]

        async def append_all() -> None:
            appends = (
                self._saver.aappend(first.thread_id, MAIN_BRANCH, expected_seq=first.seq - 1, records=[first, second])
                for first, second in batches
            )
            await asyncio.gather(*appends)

        asyncio.run(append_all())
        for records in batches:
            self._committed(records)

    def _too_late(self, mine: Connection) -> None:
        """Be refused, alone or inside a transaction."""
        wrong = write_records(self._random.choice(list(self._last)), 3, note="too late")
        for connection in (None, mine):
            try:
                self._append(wrong, connection)
            except StaleWriterError:
                mine.commit()
                continue
            raise AssertionError("an append that came too late was not refused")


def write(url: str, name: str, events: int) -> int:
    """Be one writer; return how many events it has committed."""
    with PostgresSaver(url, pool_config={"max_size": 2}) as saver, psycopg.connect(url) as mine:
        return Writer(saver, name).write(events, mine)


def write_side_by_side(url: str, names: str, events: int) -> int:
    """Be several writers, each in a thread of its own; return how many events they have committed."""
    with ThreadPoolExecutor(len(names)) as pool:
        return sum(pool.map(lambda name: write(url, name, events), names))
