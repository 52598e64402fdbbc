"""The server did what it was asked, and the connection broke before anybody heard: asked again, it is done once."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from perdure.errors import StaleWriterError, ThreadDeletedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Saver, Snapshot
from perdure.testing import FACES, fork, grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.proxy import Proxy

MARK = "was it heard?"
"""Stands in the records of the request whose answer is lost."""


@pytest.fixture
def wire(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(postgres_url) as proxy:
        yield proxy


@pytest.fixture
def plain(wire: Proxy) -> Iterator[PostgresSaver]:
    with PostgresSaver(wire.url, timeout=10) as saver:
        yield saver


@pytest.fixture(params=list(FACES))
def saver(request: pytest.FixtureRequest, plain: PostgresSaver) -> Saver:
    return FACES[request.param](plain)


@pytest.fixture
def looker(postgres_url: str) -> Iterator[PostgresSaver]:
    """A saver on the same database that no wire is in the way of."""
    with PostgresSaver(postgres_url) as saver:
        yield saver


def test_thread_is_opened_once(saver: Saver, wire: Proxy, looker: PostgresSaver) -> None:
    """The first append of a thread succeeds, with the position that its records have."""
    saver.setup()
    wire.lose_answer_to(MARK.encode())
    records = write_records("t", 3, note=MARK)
    position = saver.append("t", MAIN_BRANCH, expected_seq=0, records=records)
    assert wire.broken == 1
    found = looker.read("t", MAIN_BRANCH)
    assert unplaced(found) == records
    assert found[-1].position == position


@pytest.mark.parametrize("current", ["any", "stays", "becomes"])
def test_thread_is_extended_once(saver: Saver, wire: Proxy, looker: PostgresSaver, current: str) -> None:
    """So do later ones, whatever they say of the current branch; and the writer goes on from there."""
    first = grow(saver, "t", 2)
    wire.lose_answer_to(MARK.encode())
    more = write_records("t", 2, after=first[-1], note=MARK)
    position = saver.append("t", MAIN_BRANCH, expected_seq=2, records=more, current=current)  # type: ignore[arg-type]
    assert wire.broken == 1
    last = grow(saver, "t", after=more[-1])
    found = looker.read("t", MAIN_BRANCH)
    assert unplaced(found) == first + more + last
    assert found[3].position == position


@pytest.mark.parametrize("mark", [MARK, "COMMIT"])
def test_fork_is_opened_once(saver: Saver, wire: Proxy, looker: PostgresSaver, mark: str) -> None:
    """A fork takes a transaction of several statements: it may be lost before its end, or with it."""
    first = grow(saver, "t", 2)
    wire.lose_answer_to(mark.encode())
    records = write_records("t", 2, branch="f", after=first[0], note=MARK)
    opens = Branch("f", parent=MAIN_BRANCH, fork_seq=1)
    position = saver.append("t", "f", expected_seq=1, records=records, opens=opens)
    assert wire.broken == 1
    assert unplaced(looker.read("t", "f")) == records
    assert [(one.id, one.position) for one in looker.branches("t")][1] == ("f", position)
    assert len(looker.branches("t")) == 2


def test_refusal_that_nobody_heard_stays_one(saver: Saver, wire: Proxy, looker: PostgresSaver) -> None:
    """A stale append is asked again, and refused."""
    first = grow(saver, "t")
    theirs = grow(looker, "t", after=first[-1])
    wire.lose_answer_to(MARK.encode())
    stale = write_records("t", 2, after=first[-1], note=MARK)
    with pytest.raises(StaleWriterError):
        saver.append("t", MAIN_BRANCH, expected_seq=1, records=stale)
    assert wire.broken == 1
    assert unplaced(looker.read("t", MAIN_BRANCH)) == first + theirs


def test_appends_that_are_sent_together_are_made_once_each(
    plain: PostgresSaver, wire: Proxy, looker: PostgresSaver
) -> None:
    """Of many that wait on one event loop, those whose answer was lost are not doubled, nor are the others lost."""
    names = [f"t{number:02}" for number in range(40)]
    written = {name: grow(looker, name) for name in names}

    async def extend(name: str) -> None:
        records = write_records(name, 2, after=written[name][-1], note=MARK if name == names[-1] else "")
        position = await plain.aappend(name, MAIN_BRANCH, expected_seq=1, records=records)
        written[name] += records
        assert position == (await plain.aread(name, MAIN_BRANCH))[-1].position

    async def session() -> None:
        await plain.asetup()
        wire.lose_answer_to(MARK.encode())
        await asyncio.gather(*(extend(name) for name in names))

    asyncio.run(session())
    assert wire.broken == 1
    assert {name: unplaced(looker.read(name, MAIN_BRANCH)) for name in names} == written


def test_thread_is_deleted_once(saver: Saver, wire: Proxy, looker: PostgresSaver) -> None:
    """One tombstone stands in the tail, no second one, and the answer is that of the first attempt."""
    fork(saver, "f", at=grow(saver, "t", 3)[0])
    wire.lose_answer_to(b"COMMIT")
    assert saver.delete_thread("t") == 4
    assert wire.broken == 1
    assert [record.kind for record in looker.read("t", MAIN_BRANCH)] == ["ThreadDeleted"]
    with pytest.raises(ThreadDeletedError):
        looker.head("t")


def test_snapshot_is_kept(saver: Saver, wire: Proxy, looker: PostgresSaver) -> None:
    """A snapshot may be written twice."""
    grow(saver, "t")
    snapshot = Snapshot(MAIN_BRANCH, 1, bytes(32), MARK.encode())
    wire.lose_answer_to(MARK.encode())
    saver.put_snapshot("t", snapshot)
    assert wire.broken == 1
    assert looker.get_snapshot("t", MAIN_BRANCH, upto=1) == snapshot


@pytest.mark.parametrize("mark", ["COMMIT", "CREATE TABLE", "CREATE SCHEMA", "INSERT INTO"])
def test_schema_is_made_once(saver: Saver, wire: Proxy, postgres_url: str, mark: str) -> None:
    """First use goes on with the migrations where it was interrupted."""
    wire.lose_answer_to(mark.encode())
    records = grow(saver, "t")
    assert wire.broken == 1
    assert unplaced(saver.read("t", MAIN_BRANCH)) == records
    with psycopg.connect(postgres_url) as connection:
        versions = connection.execute("SELECT version FROM perdure.migrations ORDER BY version").fetchall()
    assert versions == [(number,) for number in range(1, len(versions) + 1)]
