"""Stored bytes as somebody else may leave them: rows and snapshots changed behind the saver's back."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Protocol, TypeVar, assert_never

import orjson
from hypothesis import strategies as st

from perdure.chain import GENESIS, link
from perdure.codecs.tags import BUILDERS
from perdure.events import Kind, Record
from perdure.ports import Saver, Snapshot
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver
from tests.laws.scripts import THREAD

T = TypeVar("T")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$", "v", "id", "ref", "set", "value", "n"]) | st.text(max_size=3), inner, max_size=3
        )
        | st.fixed_dictionaries({"$": st.sampled_from(sorted(BUILDERS)), "v": inner})
    ),
    max_leaves=6,
)
"""What may stand in place of a part of a payload."""

ENVELOPES = st.one_of(
    st.tuples(st.just("kind"), st.sampled_from([*Kind, "Later", ""]).map(str)),
    st.tuples(st.just("version"), st.integers(-1, 3)),
    st.tuples(st.sampled_from(["run_id", "namespace", "checkpoint_id", "task_id", "actor"]), st.text(max_size=5)),
    st.tuples(st.just("recorded_at"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("hash"), st.binary(min_size=32, max_size=32)),
)
"""A column of a record's envelope, and what may stand there instead."""


class Store(Protocol):
    """A saver whose rows can be changed past it."""

    @property
    def saver(self) -> Saver:
        """The saver."""
        ...

    def change(self, record: Record) -> None:
        """Put this in the place of the record with its branch and seq."""
        ...

    def change_snapshot(self, snapshot: Snapshot) -> None:
        """Put this in the place of the snapshot with its branch and seq."""
        ...


class MemoryStore:
    """The memory saver, and its insides."""

    def __init__(self) -> None:
        self.saver = InMemorySaver()

    def change(self, record: Record) -> None:
        line = self.saver._threads[THREAD].lines[record.branch]
        line.records[record.seq - line.base - 1] = record

    def change_snapshot(self, snapshot: Snapshot) -> None:
        self.saver._threads[THREAD].lines[snapshot.branch].snapshots[snapshot.seq] = snapshot


class SqliteStore:
    """The SQLite saver on a file, and a connection of somebody else to it."""

    def __init__(self, place: Path) -> None:
        self.saver = SqliteSaver(str(place), synchronous="NORMAL")
        self._place = place

    def change(self, record: Record) -> None:
        payload: Any = record.payload
        try:
            payload = payload.decode()
        except UnicodeDecodeError:
            payload = record.payload  # no text: stored as a blob
        columns = (*record[3:12], payload)
        self._execute(
            "UPDATE events SET kind = ?, version = ?, run_id = ?, namespace = ?, checkpoint_id = ?, task_id = ?,"
            " recorded_at = ?, actor = ?, hash = ?, payload = ?"
            " WHERE seq = ? AND branch_no = (SELECT no FROM branches WHERE branch = ?)",
            (*columns, record.seq, record.branch),
        )

    def change_snapshot(self, snapshot: Snapshot) -> None:
        self._execute(
            "UPDATE snapshots SET hash = ?, payload = ?"
            " WHERE seq = ? AND branch_no = (SELECT no FROM branches WHERE branch = ?)",
            (snapshot.hash, snapshot.payload, snapshot.seq, snapshot.branch),
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(sqlite3.connect(self._place)) as connection, connection:
            assert connection.execute(statement, values).rowcount == 1


@contextmanager
def stores(kind: str) -> Iterator[Store]:
    """Open an empty store of a kind of saver."""
    with TemporaryDirectory() as folder:
        store: Store = MemoryStore() if kind == "memory" else SqliteStore(Path(folder) / "log.sqlite")
        with store.saver:
            yield store


def relink(store: Store, branch: str, changed: Record) -> None:
    """Put a record in its place, and give it and all after it on its branch the hashes that make the chain hold."""
    previous = GENESIS
    for record in store.saver.read(THREAD, branch):
        one = changed if record.seq == changed.seq else record
        one = one._replace(hash=link(previous, one))
        store.change(one)
        previous = one.hash


@dataclass(frozen=True)
class Damage:
    """What is done to stored bytes. It is drawn before there are any: the same draw fits whatever a run has written."""

    where: float
    """0 to below 1: which of all records, or how far into the bytes."""
    how: Literal["part", "gone", "replace", "cut", "double", "all"]
    tree: Any = None
    junk: bytes = b"\0"

    def pick(self, found: Sequence[T]) -> T:
        """Return one of several things."""
        return found[int(self.where * len(found))]

    def of(self, stored: bytes) -> bytes:
        """Return the damaged bytes: a part of the JSON replaced or taken out, or bytes replaced, cut off or doubled."""
        at = int(self.where * len(stored))
        match self.how:
            case "part" | "gone":
                return self._rewritten(stored)
            case "replace":
                return stored[:at] + self.junk + stored[at + 1 :]
            case "cut":
                return stored[:at]
            case "double":
                return stored[:at] + stored
            case "all":
                return self.junk
            case _:
                assert_never(self.how)

    def _rewritten(self, stored: bytes) -> bytes:
        tree = [orjson.loads(stored)]
        places: list[tuple[Any, Any]] = []
        _collect(tree, places)
        container, key = self.pick(places)
        if self.how == "gone" and isinstance(container, dict):
            del container[key]
        else:
            container[key] = self.tree
        try:
            return orjson.dumps(tree[0])
        except TypeError:  # an integer that is too big, a lone surrogate
            return b"[" * 5_000


WHERE = st.integers(0, 511).map(lambda number: number / 512)
JUNK = st.binary(min_size=1, max_size=3)
FORGERIES = st.builds(Damage, WHERE, st.sampled_from(["part", "part", "gone"]), JSON, JUNK)
"""Damage that leaves JSON."""
SCRATCHES = st.builds(Damage, WHERE, st.sampled_from(["replace", "cut", "double", "all"]), st.none(), JUNK)
"""Damage to bytes of any kind."""
DAMAGES = FORGERIES | SCRATCHES


def _collect(tree: Any, places: list[tuple[Any, Any]]) -> None:
    """Collect (container, key) of every part of a tree."""
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
        places.append((tree, key))
        if isinstance(inner, dict | list):
            _collect(inner, places)
