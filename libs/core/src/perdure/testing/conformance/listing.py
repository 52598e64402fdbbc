"""The list of threads: living ones, in order of their ids, a page at a time."""

from typing import ClassVar

from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, ThreadInfo
from perdure.testing.conformance.suite import SaverClauses
from perdure.testing.records import fork, grow, write_records


class ListClauses(SaverClauses):
    """`list_threads`."""

    capability: ClassVar[str] = "thread-list"

    def test_line_says_when_and_where(self, saver: Saver) -> None:
        """Created by the first event, updated by the newest of the current branch."""
        first = grow(saver, "t")
        position = saver.append("t", MAIN_BRANCH, expected_seq=1, records=write_records("t", 2, after=first[0]))
        expected = ThreadInfo("t", MAIN_BRANCH, first[0].recorded_at, first[0].recorded_at + 2, position)
        assert saver.list_threads() == [expected]

    def test_current_branch_is_shown(self, saver: Saver) -> None:
        """A fork that is not current does not show; a current one does."""
        main = grow(saver, "t", 4)
        own = fork(saver, "f", at=main[0])
        assert saver.list_threads()[0].branch == MAIN_BRANCH
        more = write_records("t", branch="f", after=own[0])
        position = saver.append("t", "f", expected_seq=2, records=more, current="becomes")
        assert saver.list_threads() == [ThreadInfo("t", "f", main[0].recorded_at, more[0].recorded_at, position)]

    def test_order_is_by_id_not_by_age(self, saver: Saver) -> None:
        """Ids are ordered by code points."""
        ids = ["b", "a", "ä", "Z", "a1", "10", "9", "\U0001f980", "\uff5e"]
        for thread_id in ids:
            grow(saver, thread_id)
        assert [thread.thread_id for thread in saver.list_threads()] == sorted(ids)

    def test_list_pages_join_without_gap_or_repeat(self, saver: Saver) -> None:
        """`after` is the last id of the page before."""
        ids = [f"thread-{number:02}" for number in range(25)]
        for thread_id in reversed(ids):
            grow(saver, thread_id)
        seen: list[str] = []
        while page := saver.list_threads(after=seen[-1] if seen else "", limit=10):
            assert len(page) <= 10
            seen += [thread.thread_id for thread in page]
            assert seen == ids[: len(seen)]
        assert len(seen) == len(ids)

    def test_limit_of_nothing(self, saver: Saver) -> None:
        """An empty page is empty, and nothing is beyond the last thread."""
        grow(saver, "t")
        assert saver.list_threads(limit=0) == []
        assert saver.list_threads(after="t") == []
