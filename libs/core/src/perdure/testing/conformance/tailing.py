"""The tail: all threads' records by position, followed without loss while others write."""

from concurrent.futures import ThreadPoolExecutor

from perdure.events import Record
from perdure.ports import Saver
from perdure.testing.conformance.suite import MakeSaver, SaverClauses
from perdure.testing.contender import append_pairs
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow, write_records


class TailClauses(SaverClauses):
    """`tail`."""

    def test_all_threads_and_branches_in_order_of_appends(self, saver: Saver) -> None:
        """Positions follow the order of the appends, over all threads and branches."""
        t = grow(saver, "t", 2)
        u = grow(saver, "u", 1)
        f = fork(saver, "f", at=t[0], count=2)
        more = grow(saver, "t", 1, after=t[-1])
        tail = saver.tail()
        assert [record.hash for record in tail] == [record.hash for record in [*t, *u, *f, *more]]
        positions = [record.position for record in tail]
        assert positions == sorted(set(positions))
        assert [record.branch for record in tail] == ["main", "main", "main", "f", "f", "main"]

    def test_tail_pages_join_without_gap_or_repeat(self, saver: Saver) -> None:
        """The position of the last record seen is the cursor."""
        for number in range(5):
            grow(saver, f"t{number}", 5)
        seen: list[Record] = []
        while page := saver.tail(after=seen[-1].position if seen else 0, limit=7):
            assert len(page) <= 7
            seen += page
        assert seen == saver.tail()
        assert len(seen) == 25

    def test_nothing_beyond_the_end(self, saver: Saver) -> None:
        """An empty saver and the end of a full one are alike."""
        assert saver.tail() == []
        position = saver.append("t", "main", expected_seq=0, records=write_records("t"))
        assert saver.tail(after=position) == []
        assert saver.tail(after=position + 1000) == []
        assert saver.tail(limit=0) == []

    def test_positions_agree_with_reads(self, saver: Saver) -> None:
        """The same record has the same position wherever it is read."""
        grow(saver, "t", 3)
        grow(saver, "u", 3)
        assert saver.read("t", "main") + saver.read("u", "main") == saver.tail()

    def test_follower_misses_nothing(self, make_saver: MakeSaver, face: Face) -> None:
        """While four writers append, one who follows by position sees every record once, and in the final order."""
        with face(make_saver()) as saver, ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(append_pairs, saver, f"t{number}", 25) for number in range(4)]
            seen: list[Record] = []
            while True:
                done = all(writer.done() for writer in writers)
                page = saver.tail(after=seen[-1].position if seen else 0, limit=30)
                seen += page
                if done and not page:
                    break
            assert [writer.result()[-1] > 0 for writer in writers] == [True] * 4
            assert seen == saver.tail(limit=1000)
            assert len(seen) == 200
