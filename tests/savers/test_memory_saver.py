"""What only the memory saver has: a bound on what it holds."""

import pytest

from perdure.errors import StoreUnavailableError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Snapshot
from perdure.testing import BLANK, grow, write_records
from perdure_memory import InMemorySaver

KILOBYTE = BLANK._replace(payload=b"x" * 1000)


def test_append_beyond_the_bound_is_refused_and_loses_nothing() -> None:
    """Nothing is written, the message says what to do, and what stands stays usable."""
    saver = InMemorySaver(max_bytes=10_000)
    records = write_records("t", 20, like=KILOBYTE)
    saver.append("t", MAIN_BRANCH, expected_seq=0, records=records[:5])
    with pytest.raises(StoreUnavailableError, match="max_bytes"):
        saver.append("t", MAIN_BRANCH, expected_seq=5, records=records[5:])
    assert len(saver.read("t", MAIN_BRANCH)) == 5
    saver.append("t", MAIN_BRANCH, expected_seq=5, records=records[5:6])


def test_refused_beginnings_leave_no_thread_and_no_branch() -> None:
    """A refused append makes nothing, not even an empty place."""
    saver = InMemorySaver(max_bytes=3_000)
    root = grow(saver, "t")[0]
    with pytest.raises(StoreUnavailableError):
        saver.append("u", MAIN_BRANCH, expected_seq=0, records=write_records("u", 9, like=KILOBYTE))
    with pytest.raises(StoreUnavailableError):
        saver.append(
            "t",
            "f",
            expected_seq=1,
            records=write_records("t", 9, branch="f", after=root, like=KILOBYTE),
            opens=Branch("f", parent=MAIN_BRANCH, fork_seq=1),
        )
    assert [thread.thread_id for thread in saver.list_threads()] == ["t"]
    assert [branch.id for branch in saver.branches("t")] == [MAIN_BRANCH]


def test_deleting_makes_room() -> None:
    """As often as threads come and go, the bound is not reached."""
    saver = InMemorySaver(max_bytes=200_000)
    for number in range(200):
        saver.append(f"t{number}", MAIN_BRANCH, expected_seq=0, records=write_records(f"t{number}", 10, like=KILOBYTE))
        assert saver.delete_thread(f"t{number}") == 10
    assert len(saver.tail()) == 200


def test_snapshots_make_room_for_events() -> None:
    """A cache never keeps an event out, and is not kept where it does not fit."""
    saver = InMemorySaver(max_bytes=10_000)
    first = grow(saver, "t")
    saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 1, bytes(32), b"x" * 8_000))
    assert saver.get_snapshot("t", MAIN_BRANCH, upto=1) is not None
    saver.append("t", MAIN_BRANCH, expected_seq=1, records=write_records("t", 3, after=first[0], like=KILOBYTE))
    assert saver.get_snapshot("t", MAIN_BRANCH, upto=1) is None
    saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 1, bytes(32), b"x" * 8_000))
    assert saver.get_snapshot("t", MAIN_BRANCH, upto=1) is None


def test_tail_stays_in_order_as_threads_come_and_go() -> None:
    """Holes that deletions leave are closed without losing or moving anything."""
    saver = InMemorySaver()
    for number in range(50):
        grow(saver, f"t{number}", 3)
        if number % 3:
            saver.delete_thread(f"t{number}")
    positions = [record.position for record in saver.tail()]
    assert positions == sorted(set(positions))
    assert len(positions) == 17 * 3 + 33
    assert [record.position for record in saver.tail(after=positions[40])] == positions[41:]
