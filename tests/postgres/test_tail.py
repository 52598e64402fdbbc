"""The tail of everything: in one order that never changes, and nothing is missed, whoever commits when."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psycopg

from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.testing import grow, write_records
from perdure.testing.watching import MARK, follow, settled_tail, stored
from perdure_postgres import PostgresSaver
from tests.postgres.tail_program import write_side_by_side

EVENTS = 1300
"""What each of eight writers commits at least."""


def test_eight_writers_and_none_of_ten_thousand_events_is_missed(postgres_url: str) -> None:
    """Who pages through the tail while eight writers append, roll back and hold transactions open sees every event that
    is committed, once, and in the order in which it stands at the end.
    """
    with PostgresSaver(postgres_url) as saver, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        saver.setup()
        writing = [pool.submit(write_side_by_side, postgres_url, names, EVENTS) for names in ("abcd", "efgh")]
        seen = follow(saver, lambda: all(one.done() for one in writing), page=70)
        committed = sum(one.result() for one in writing)
        assert committed >= 10_000
        assert len(seen) == committed + 1
        assert seen == stored(saver)
        assert len({record.position for record in seen}) == len(seen)
        assert seen[-1].thread_id == MARK
        assert not [record for record in seen if b"rolled back" in record.payload or b"too late" in record.payload]
        again: list[Record] = []
        while page := saver.tail(after=again[-1].position if again else 0, limit=333):
            again += page
        assert again == seen


def test_event_is_shown_when_no_older_transaction_is_open(postgres_url: str) -> None:
    """While one that began before is open, later ones are held back: its events will stand before theirs."""
    with PostgresSaver(postgres_url) as saver, psycopg.connect(postgres_url) as older:
        begun = grow(saver, "begun")
        records = write_records("older", 2)
        saver.append("older", MAIN_BRANCH, expected_seq=0, records=records, connection=older)
        grow(saver, "later")
        assert [one.thread_id for one in settled_tail(saver, 1)] == ["begun"]
        time.sleep(0.1)
        assert [one.thread_id for one in saver.tail()] == ["begun"]
        assert saver.read("later", MAIN_BRANCH)
        older.commit()
        assert [one.thread_id for one in settled_tail(saver, 4)] == ["begun", "older", "older", "later"]
        position = saver.read("begun", MAIN_BRANCH)[0].position
        assert saver.tail(after=position, limit=1)[0].hash == records[0].hash
        assert begun[0].hash == saver.tail(limit=1)[0].hash


def test_transaction_that_only_reads_holds_nobody_up(postgres_url: str) -> None:
    """It has no number, so nothing of it can stand before what is shown."""
    with PostgresSaver(postgres_url) as saver, psycopg.connect(postgres_url) as reader:
        saver.setup()
        reader.execute("SELECT count(*) FROM perdure.events")
        records = grow(saver, "t", 3)
        assert [one.hash for one in settled_tail(saver, 3)] == [record.hash for record in records]
        assert asyncio.run(saver.atail()) == saver.tail()


def test_events_of_one_transaction_are_shown_together(postgres_url: str) -> None:
    """Its appends stand one after the other, in the order in which they were made, and no others between them."""
    with PostgresSaver(postgres_url) as saver, psycopg.connect(postgres_url) as mine:
        grow(saver, "first")
        for number in range(3):
            saver.append(
                f"t{number}", MAIN_BRANCH, expected_seq=0, records=write_records(f"t{number}", 2), connection=mine
            )
            grow(saver, f"u{number}")
        mine.commit()
        shown = [one.thread_id for one in settled_tail(saver, 10)]
        assert shown == ["first", "t0", "t0", "t1", "t1", "t2", "t2", "u0", "u1", "u2"]
