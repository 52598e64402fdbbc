"""The tail: all threads' records by position, followed without loss while others write.

An event may be shown later than its append returns: clauses wait for what must come, then look at all there is.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from perdure.events import Record
from perdure.ports import Saver
from perdure.testing.conformance.suite import MakeSaver, SaverClauses
from perdure.testing.contender import append_between_refusals
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow, write_records
from perdure.testing.watching import follow, settled_tail, stored

WRITERS = 4
APPENDS = 25


def require_whole(seen: list[Record], saver: Saver, count: int) -> None:
    """Assert that a follower saw each of `count` records and the mark once, as they are stored, in the final order."""
    assert seen == stored(saver)
    assert len(seen) == count + 1
    assert saver.tail(limit=count + 9) == seen


class TailClauses(SaverClauses):
    """`tail`."""

    capability: ClassVar[str] = "tailing"

    def test_all_threads_and_branches_in_order_of_appends(self, saver: Saver) -> None:
        """Positions follow the order of the appends, over all threads and branches."""
        t = grow(saver, "t", 2)
        u = grow(saver, "u", 1)
        f = fork(saver, "f", at=t[0], count=2)
        more = grow(saver, "t", 1, after=t[-1])
        tail = settled_tail(saver, 6)
        assert [record.hash for record in tail] == [record.hash for record in [*t, *u, *f, *more]]
        positions = [record.position for record in tail]
        assert positions == sorted(set(positions))
        assert [record.branch for record in tail] == ["main", "main", "main", "f", "f", "main"]

    def test_tail_pages_join_without_gap_or_repeat(self, saver: Saver) -> None:
        """The position of the last record seen is the cursor."""
        for number in range(5):
            grow(saver, f"t{number}", 5)
        whole = settled_tail(saver, 25)
        seen: list[Record] = []
        while page := saver.tail(after=seen[-1].position if seen else 0, limit=7):
            assert len(page) <= 7
            seen += page
            assert seen == whole[: len(seen)]
        assert len(seen) == len(whole) == 25

    def test_nothing_beyond_the_end(self, saver: Saver) -> None:
        """An empty saver and the end of a full one are alike."""
        assert saver.tail() == []
        position = saver.append("t", "main", expected_seq=0, records=write_records("t"))
        assert len(settled_tail(saver, 1)) == 1
        assert saver.tail(after=position) == []
        assert saver.tail(after=position + 1000) == []
        assert saver.tail(limit=0) == []

    def test_positions_agree_with_reads(self, saver: Saver) -> None:
        """The same record has the same position wherever it is read."""
        grow(saver, "t", 3)
        grow(saver, "u", 3)
        assert settled_tail(saver, 6) == saver.read("t", "main") + saver.read("u", "main")

    def test_refused_append_leaves_no_trace(self, saver: Saver) -> None:
        """A refused append is not shown, and what comes after it is not held up by it."""
        append_between_refusals(saver, "t", 3)
        tail = settled_tail(saver, 6)
        assert tail == saver.read("t", "main")
        assert [record.seq for record in tail] == [1, 2, 3, 4, 5, 6]

    def test_follower_misses_nothing(self, make_saver: MakeSaver, face: Face) -> None:
        """While four threads append and are refused, a follower sees every record once, in the final order."""
        with face(make_saver()) as saver, ThreadPoolExecutor(WRITERS) as pool:
            ids = [f"t{number}" for number in range(WRITERS)]
            writers = [pool.submit(append_between_refusals, saver, id, APPENDS) for id in ids]
            seen = follow(saver, lambda: all(writer.done() for writer in writers))
            given = {position for writer in writers for position in writer.result()}
            require_whole(seen, saver, WRITERS * APPENDS * 2)
            assert given <= {record.position for record in seen}

    def test_follower_misses_nothing_of_several_savers(self, make_saver: MakeSaver, face: Face) -> None:
        """Writers with savers of their own, on the same storage: as if there were one."""
        ids = [f"t{number}" for number in range(WRITERS)]
        with face(make_saver()) as saver, ThreadPoolExecutor(WRITERS) as pool:
            savers = [face(make_saver()) for _ in ids]
            writers = [pool.submit(append_between_refusals, *each, APPENDS) for each in zip(savers, ids, strict=True)]
            seen = follow(saver, lambda: all(writer.done() for writer in writers), page=7)
            assert [len(writer.result()) for writer in writers] == [APPENDS] * WRITERS
            require_whole(seen, saver, WRITERS * APPENDS * 2)
            for one in savers:
                one.close()
