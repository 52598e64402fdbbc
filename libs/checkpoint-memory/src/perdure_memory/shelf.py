"""What the memory saver holds: threads made of lines (branches), and the order of all records.

Here: the plain structures and how windows are cut from them. Not here: locks, refusals, the port (`saver`).
Nobody locks here: the saver does.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch, Snapshot

RECORD_COST = 600
"""Bytes a record occupies beside its payload (tuple, texts, hash, list slots), as measured on CPython 3.11."""


class Line:
    """One branch: its own records, of which the first has seq `base + 1`."""

    __slots__ = ("base", "opened", "records", "snapshots")

    def __init__(self, opened: Branch) -> None:
        self.opened = opened
        self.base = opened.fork_seq
        self.records: list[Record] = []
        self.snapshots: dict[int, Snapshot] = {}

    @property
    def head_seq(self) -> int:
        """The seq of the last record."""
        return self.base + len(self.records)

    def hashes(self, expected_seq: int, count: int) -> list[bytes]:
        """Return the hashes of the `count` records after `expected_seq` (fewer if there are not so many)."""
        start = expected_seq - self.base
        return [record.hash for record in self.records[start : start + count]] if start >= 0 else []

    def window(self, after: int, upto: int | None) -> list[Record]:
        """Return the records with `after < seq <= upto`."""
        stop = len(self.records) if upto is None else max(upto - self.base, 0)
        return self.records[max(after - self.base, 0) : stop]

    def branch(self) -> Branch:
        """Return how the branch stands now."""
        return self.opened._replace(head_seq=self.head_seq, position=self.records[-1].position)


class Shelf:
    """One thread: its lines in the order they began, and which one is current."""

    __slots__ = ("created_at", "current", "deleted", "lines")

    def __init__(self, created_at: int) -> None:
        self.created_at = created_at
        self.current = MAIN_BRANCH
        self.deleted = False
        self.lines: dict[str, Line] = {MAIN_BRANCH: Line(Branch(MAIN_BRANCH))}

    def records(self) -> list[Record]:
        """Return all records of the thread."""
        return [record for line in self.lines.values() for record in line.records]

    def drop_snapshots(self) -> list[Snapshot]:
        """Empty all snapshots and return what they were."""
        dropped = [snapshot for line in self.lines.values() for snapshot in line.snapshots.values()]
        for line in self.lines.values():
            line.snapshots.clear()
        return dropped

    def bury(self) -> Line:
        """Let go of everything and return the new, empty main line on which the tombstone will stand."""
        line = Line(Branch(MAIN_BRANCH, fork_seq=self.lines[MAIN_BRANCH].head_seq))
        self.lines = {MAIN_BRANCH: line}
        self.current = MAIN_BRANCH
        self.deleted = True
        return line


class Order:
    """All records by position. Removed ones leave a hole at once; holes are closed when they are the majority."""

    __slots__ = ("_holes", "_positions", "_records")

    def __init__(self) -> None:
        self._positions: list[int] = []
        self._records: list[Record | None] = []
        self._holes = 0

    def extend(self, records: Iterable[Record]) -> None:
        """Add records whose positions are beyond all others."""
        for record in records:
            self._positions.append(record.position)
            self._records.append(record)

    def remove(self, records: Sequence[Record]) -> None:
        """Take records out."""
        for record in records:
            self._records[bisect_right(self._positions, record.position) - 1] = None
        self._holes += len(records)
        if self._holes * 2 > len(self._records):
            living = [record for record in self._records if record is not None]
            self._records = list(living)
            self._positions = [record.position for record in living]
            self._holes = 0

    def after(self, position: int, limit: int) -> list[Record]:
        """Return at most `limit` records beyond `position`."""
        found: list[Record] = []
        index = bisect_right(self._positions, position)
        while index < len(self._records) and len(found) < limit:
            record = self._records[index]
            if record is not None:
                found.append(record)
            index += 1
        return found


def cost(records: Iterable[Record]) -> int:
    """Return about how many bytes records occupy."""
    return sum(len(record[12]) + RECORD_COST for record in records)
