"""Appending: the expected seq is the compare, a batch is whole or absent, a retry is a success."""

from typing import ClassVar

import pytest

from perdure.errors import StaleWriterError, UsageError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.conformance.suite import SaverClauses, unplaced
from perdure.testing.records import grow, write_records


def _append(saver: Saver, records: list[Record], expected_seq: int | None = None) -> int:
    seq = records[0].seq - 1 if expected_seq is None else expected_seq
    return saver.append(records[0].thread_id, MAIN_BRANCH, expected_seq=seq, records=records)


class AppendClauses(SaverClauses):
    """`append`, one writer at a time."""

    capability: ClassVar[str] = "appending"

    def test_first_append_creates_the_thread(self, saver: Saver) -> None:
        """Records appended to nothing stand afterwards, unchanged but for their positions."""
        records = grow(saver, "t", 3)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records

    def test_append_goes_on_from_the_head(self, saver: Saver) -> None:
        """Each append continues the one before."""
        first = grow(saver, "t", 2)
        second = grow(saver, "t", 3, after=first[-1])
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first + second

    def test_append_returns_the_last_position(self, saver: Saver) -> None:
        """The returned position is that of the last record, and positions grow by record."""
        position = _append(saver, write_records("t", 3))
        positions = [record.position for record in saver.read("t", MAIN_BRANCH)]
        assert positions[-1] == position
        assert positions == sorted(set(positions))
        assert positions[0] > 0

    def test_stale_append_is_refused(self, saver: Saver) -> None:
        """A writer that knows an older head writes nothing and is told where the head is."""
        first = grow(saver, "t", 3)
        with pytest.raises(StaleWriterError) as refused:
            grow(saver, "t", 1, after=first[1], note="late")
        assert (refused.value.expected_seq, refused.value.head_seq) == (2, 3)
        assert (refused.value.thread_id, refused.value.branch) == ("t", MAIN_BRANCH)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first

    def test_stale_beginning_is_refused(self, saver: Saver) -> None:
        """Two beginnings of one thread: the second is stale."""
        first = grow(saver, "t")
        with pytest.raises(StaleWriterError):
            grow(saver, "t", note="another beginning")
        assert unplaced(saver.read("t", MAIN_BRANCH)) == first

    def test_append_ahead_of_the_head_is_refused(self, saver: Saver) -> None:
        """No gap can be made: an expected seq beyond the head is as wrong as one before it."""
        records = write_records("t", 5)
        _append(saver, records[:2])
        with pytest.raises(StaleWriterError) as refused:
            _append(saver, records[3:])
        assert refused.value.head_seq == 2
        assert len(saver.read("t", MAIN_BRANCH)) == 2

    def test_append_to_an_unknown_thread_that_is_not_its_beginning_is_refused(self, saver: Saver) -> None:
        """An unknown thread stands at 0."""
        with pytest.raises(StaleWriterError) as refused:
            _append(saver, write_records("t", 3)[2:])
        assert refused.value.head_seq == 0
        assert saver.head("t") is None

    def test_retried_append_succeeds_once(self, saver: Saver) -> None:
        """A writer that lost the answer asks again and gets it; nothing is written twice."""
        records = write_records("t", 3)
        position = _append(saver, records)
        assert _append(saver, records) == position
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records

    def test_retried_append_succeeds_after_others_went_on(self, saver: Saver) -> None:
        """What stands stands, whatever follows it."""
        records = write_records("t", 4)
        _append(saver, records[:2])
        middle = _append(saver, records[2:3])
        _append(saver, records[3:])
        assert _append(saver, records[2:3]) == middle
        assert len(saver.read("t", MAIN_BRANCH)) == 4

    def test_partial_overlap_is_no_retry(self, saver: Saver) -> None:
        """A batch of which only a part stands was never appended as it is."""
        records = write_records("t", 3)
        _append(saver, records[:2])
        with pytest.raises(StaleWriterError):
            _append(saver, records)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records[:2]

    def test_retry_with_another_end_is_refused(self, saver: Saver) -> None:
        """All hashes are compared, not only the first."""
        records = write_records("t", 2)
        _append(saver, records)
        other = [records[0], *write_records("t", 1, after=records[0], note="another end")]
        with pytest.raises(StaleWriterError):
            _append(saver, other)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records

    def test_records_that_do_not_chain_to_the_head_are_refused(self, saver: Saver) -> None:
        """A writer that lost an append and goes on is refused, although the seq happens to fit."""
        mine = grow(saver, "t", 2)
        lost = write_records("t", after=mine[1], note="lost")
        after_lost = write_records("t", after=lost[0], note="after what was lost")
        rival = write_records("t", after=mine[1], note="rival")
        saver.append("t", MAIN_BRANCH, expected_seq=2, records=rival)
        with pytest.raises(StaleWriterError):
            saver.append("t", MAIN_BRANCH, expected_seq=3, records=after_lost)
        assert saver.head("t") == (MAIN_BRANCH, 3, rival[0].hash)

    def test_retry_does_not_move_the_current_branch(self, saver: Saver) -> None:
        """A retry has no effect, not even on which branch is current."""
        records = grow(saver, "t", 2)
        saver.append("t", MAIN_BRANCH, expected_seq=0, records=records, current="becomes")
        assert saver.head("t") == ("main", 2, records[-1].hash)

    @pytest.mark.parametrize(
        "order", [pytest.param([], id="none"), pytest.param([1, 0], id="swapped"), pytest.param([0, 2], id="gap")]
    )
    def test_records_out_of_order_are_a_usage_error(self, saver: Saver, order: list[int]) -> None:
        """A batch is one or more consecutive records; else nothing is written."""
        records = write_records("t", 3)
        with pytest.raises(UsageError):
            saver.append("t", MAIN_BRANCH, expected_seq=0, records=[records[index] for index in order])
        assert saver.head("t") is None

    @pytest.mark.parametrize(
        ("thread_id", "branch", "expected_seq"),
        [("u", "main", 0), ("t", "other", 0), ("t", "main", 1), ("t", "main", -1)],
    )
    def test_records_of_another_place_are_a_usage_error(
        self, saver: Saver, thread_id: str, branch: str, expected_seq: int
    ) -> None:
        """Records say where they belong, and the call must say the same."""
        with pytest.raises(UsageError):
            saver.append(thread_id, branch, expected_seq=expected_seq, records=write_records("t"))
        assert saver.list_threads() == []

    def test_hash_of_another_size_is_a_usage_error(self, saver: Saver) -> None:
        """A hash has 32 bytes."""
        record = write_records("t")[0]
        with pytest.raises(UsageError):
            _append(saver, [record._replace(hash=record.hash[:31])])
        assert saver.head("t") is None

    def test_batch_of_a_thousand_is_one_append(self, saver: Saver) -> None:
        """A large batch is as whole as a small one."""
        records = grow(saver, "t", 1000)
        assert saver.head("t") == ("main", 1000, records[-1].hash)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == records
