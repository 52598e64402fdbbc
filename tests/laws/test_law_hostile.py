"""Law 7: changed bytes in the store are read as data or refused with one typed error, and `verify` finds them."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perdure import CompiledGraph
from perdure.engine import writer
from perdure.errors import CorruptEventError, UnknownCheckpointError
from perdure.events import Record
from perdure.rules.freeze import pack, unpack
from tests.laws.descriptions import Graph, graphs
from tests.laws.hostile import DAMAGES, ENVELOPES, FORGERIES, SCRATCHES, Damage, Store, relink, stores
from tests.laws.logs import KINDS
from tests.laws.runs import Played, reader
from tests.laws.scripts import SCRIPTS, THREAD, TURNS, Act, perform

CONFIG: Any = {"configurable": {"thread_id": THREAD}}
SMALL = graphs(depth=1, length=2)


def play(store: Store, graph: Graph, script: Sequence[Act]) -> None:
    played = Played(graph, store.saver)
    for act in script:
        perform(played.player.play(act), played.app)


def records(store: Store) -> list[Record]:
    """Return all records of the thread, branch by branch."""
    return [record for one in store.saver.branches(THREAD) for record in store.saver.read(THREAD, one.id)]


def changed(record: Record, damage: Damage | None, column: tuple[str, Any] | None) -> Record:
    """Return the record with a damaged payload, or with another value in a column of its envelope, or both."""
    if damage is not None:
        record = record._replace(payload=damage.of(record.payload))
    return record if column is None else record._replace(**{column[0]: column[1]})


def look(app: CompiledGraph, checkpoints: Sequence[str]) -> list[bool]:
    """Read whatever can be read, and tell for each whether it was refused, which must be with CorruptEventError.

    (A checkpoint whose envelope was changed may be unknown now.)
    """
    thread = app.thread(THREAD)
    ways: list[Callable[[], object]] = [
        thread.state,
        lambda: thread.state(subgraphs=True),
        thread.history,
        thread.events,
        thread.pending,
        lambda: list(app.get_state_history(CONFIG, limit=1)),
        *(lambda id=id: thread.state(at=id) for id in checkpoints),
    ]
    return [refused(way) for way in ways]


def refused(way: Callable[[], object]) -> bool:
    try:
        way()
    except (CorruptEventError, UnknownCheckpointError):
        return True
    return False


def known(app: CompiledGraph) -> list[str]:
    """Return the ids of the newest checkpoints."""
    return [one.config["configurable"]["checkpoint_id"] for one in app.thread(THREAD).history(limit=3)]


@pytest.mark.parametrize("kind", KINDS)
@given(graph=SMALL, script=SCRIPTS, damage=DAMAGES, column=st.none() | ENVELOPES)
def test_a_changed_row_is_found(
    kind: str, graph: Graph, script: Sequence[Act], damage: Damage, column: tuple[str, Any] | None
) -> None:
    """`verify` names the very event whose payload or envelope was changed, and every reader refuses it or sees data."""
    with stores(kind) as store:
        play(store, graph, script)
        record, app = damage.pick(records(store)), reader(graph, store.saver)
        checkpoints, other = known(app), changed(record, damage if column is None else None, column)
        assume(other != record)
        store.change(other)
        problem = app.thread(THREAD).verify().problem
        assert problem is not None
        assert (record.branch, record.seq) == (problem.branch, problem.seq)
        look(app, checkpoints)


@given(graph=SMALL, script=st.tuples(TURNS), damage=FORGERIES)
def test_a_changed_row_is_never_shown_or_run_on(graph: Graph, script: Sequence[Act], damage: Damage) -> None:
    """A changed payload on the line of history that is read is refused by every reader and by a new run."""
    with stores("memory") as store:
        play(store, graph, script)
        record, app = damage.pick(records(store)), reader(graph, store.saver)
        other = changed(record, damage, None)
        assume(other != record)
        store.change(other)
        stored = records(store)
        assert look(app, []) == [True] * 6
        with pytest.raises(CorruptEventError):
            app.invoke({"trace": ["in"]}, CONFIG)
        assert stored == records(store)


@pytest.mark.parametrize("kind", KINDS)
@given(graph=SMALL, script=SCRIPTS, damage=FORGERIES | DAMAGES, column=st.none() | st.none() | ENVELOPES)
def test_a_forged_log_is_data_or_refused(
    kind: str, graph: Graph, script: Sequence[Act], damage: Damage, column: tuple[str, Any] | None
) -> None:
    """Even with all hashes computed anew, any bytes in any place are read as data or refused with one typed error."""
    with stores(kind) as store:
        play(store, graph, script)
        record, app = damage.pick(store.saver.read(THREAD, "main")), reader(graph, store.saver)
        checkpoints = known(app)
        relink(store, "main", changed(record, damage, column))
        app.thread(THREAD).verify()
        look(app, checkpoints)


@pytest.mark.parametrize("kind", KINDS)
@given(graph=SMALL, script=SCRIPTS, damage=SCRATCHES)
def test_a_changed_snapshot_is_ignored(kind: str, graph: Graph, script: Sequence[Act], damage: Damage) -> None:
    """Whatever stands in a snapshot, readers see what the log says."""
    with pytest.MonkeyPatch.context() as patch, stores(kind) as store:
        patch.setattr(writer, "FLOOR", 0)
        play(store, graph, script)
        app, head = reader(graph, store.saver), store.saver.head(THREAD)
        assert head is not None
        snapshot = store.saver.get_snapshot(THREAD, head.branch, upto=head.seq)
        assume(snapshot is not None)
        assert snapshot is not None
        expected = app.get_state(CONFIG), list(app.get_state_history(CONFIG))
        scratched = snapshot._replace(payload=damage.of(snapshot.payload))
        assume(scratched != snapshot)
        store.change_snapshot(scratched)
        assert expected == (app.get_state(CONFIG), list(app.get_state_history(CONFIG)))


@given(graph=SMALL, script=SCRIPTS, damage=FORGERIES)
def test_a_forged_snapshot_is_data_or_refused(graph: Graph, script: Sequence[Act], damage: Damage) -> None:
    """A snapshot that was forged and sealed again may be believed, but it is data, or refused with one typed error.

    (Who can write to the database can write a log, too: what protects from that is `verify` and an anchored hash.)
    """
    with pytest.MonkeyPatch.context() as patch, stores("memory") as store:
        patch.setattr(writer, "FLOOR", 0)
        play(store, graph, script)
        app, head = reader(graph, store.saver), store.saver.head(THREAD)
        assert head is not None
        checkpoints = known(app)
        snapshot = store.saver.get_snapshot(THREAD, head.branch, upto=head.seq)
        assume(snapshot is not None)
        assert snapshot is not None
        forged = pack(damage.of(unpack(snapshot.payload)))
        store.change_snapshot(snapshot._replace(payload=forged))
        look(app, checkpoints)
