"""Law 1: the log alone rebuilds every state: a fold from nothing gives what snapshots give and what runs saw."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.codecs import dumps
from perdure.engine import writer
from perdure.ports import Saver, Snapshot
from perdure.rules.freeze import freeze, unpack
from perdure_sqlite import SqliteSaver
from tests.laws.descriptions import Graph, graphs
from tests.laws.logs import KINDS, copy, counted, fold, opened, timeless
from tests.laws.runs import Played, reader
from tests.laws.scripts import SCRIPTS, THREAD, Act, perform

FLOORS = st.sampled_from([0, 300, 2_000])
"""Bytes of payload before a first snapshot is due."""


@contextmanager
def snapshots_from(floor: int) -> Iterator[None]:
    """Make snapshots due more often than anybody would want."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "FLOOR", floor)
        yield


def snapshots(saver: Saver) -> Iterator[Snapshot]:
    """Yield the snapshots that are stored of the thread."""
    for branch in saver.branches(THREAD):
        found = saver.get_snapshot(THREAD, branch.id, upto=branch.head_seq)
        while found is not None:
            yield found
            found = saver.get_snapshot(THREAD, branch.id, upto=found.seq - 1)


@pytest.mark.parametrize("kind", KINDS)
@given(graph=graphs(), script=SCRIPTS)
def test_a_rebuilt_thread_reads_as_the_one_that_ran(kind: str, graph: Graph, script: Sequence[Act]) -> None:
    """A copy of the log, read by a graph built anew, shows the same state and history as the warm graph that ran."""
    with opened(kind) as saver, opened("memory") as other:
        played = Played(graph, saver)
        final = played.play(script)
        copy(saver, other)
        rebuilt = reader(graph, other)
        assert final == rebuilt.get_state(played.player.config).values
        assert played.state() == rebuilt.get_state(played.player.config)
        assert played.history() == list(rebuilt.get_state_history(played.player.config))
        for seen in played.history():
            assert seen.values == rebuilt.get_state(seen.config).values


@given(graph=graphs(), script=SCRIPTS)
def test_what_a_run_returned_is_what_its_checkpoint_shows(graph: Graph, script: Sequence[Act]) -> None:
    """After each act that went on, what the run handed to its caller equals the state that the log gives."""
    with opened("memory") as saver:
        played = Played(graph, saver)
        for act in script:
            before, stood = len(played.player.returned), saver.branches(THREAD)
            perform(played.player.play(act), played.app)
            if len(played.player.returned) > before and saver.branches(THREAD) != stood:
                returned, state = played.player.returned[-1], reader(graph, saver).get_state(played.player.config)
                if isinstance(returned, dict):
                    assert state.interrupts == tuple(returned.get("__interrupt__", ()))
                assert state.values == last_values(returned)


def last_values(returned: Any) -> dict[str, Any]:
    """Return the state that an `invoke` returned, or the last one that was streamed, without the open questions."""
    values = returned if isinstance(returned, dict) else [data for mode, data in returned if mode == "values"][-1]
    return {name: value for name, value in values.items() if name != "__interrupt__"}


@pytest.mark.parametrize("kind", KINDS)
@given(graph=graphs(), script=SCRIPTS, floor=FLOORS)
def test_every_snapshot_is_the_fold_to_its_event(kind: str, graph: Graph, script: Sequence[Act], floor: int) -> None:
    """Whatever makes snapshots due: each holds, to the byte, what folding the log from nothing gives at its event."""
    with opened(kind) as saver, snapshots_from(floor):
        played = Played(graph, saver)
        final = played.play(script)
        helped = [reader(graph, saver).get_state(one.config) for one in played.history()]
        for snapshot in list(snapshots(saver)):
            assert dumps(freeze(fold(saver, snapshot.branch, snapshot.seq))) == unpack(snapshot.payload)
        assert helped == [reader(graph, saver).get_state(one.config) for one in played.history()]
        assert final == reader(graph, saver).get_state(played.player.config).values


@given(graph=graphs(order="strict"), script=SCRIPTS, floor=FLOORS)
def test_snapshots_change_nothing(graph: Graph, script: Sequence[Act], floor: int) -> None:
    """The same script writes the same bytes, whether snapshots are taken never or all the time."""
    with opened("memory") as rarely, opened("memory") as always:
        once = Played(graph, rarely, settings=counted(), workers=1)
        final = once.play(script)
        with snapshots_from(floor):
            again = Played(graph, always, settings=counted(), workers=1)
            assert final == again.play(script)
        assert timeless(rarely) == timeless(always)


@given(graph=graphs(), script=SCRIPTS)
def test_a_reopened_file_reads_as_the_thread_that_ran(graph: Graph, script: Sequence[Act]) -> None:
    """A database that was closed and opened again shows the same state and history."""
    with TemporaryDirectory() as folder:
        place = str(Path(folder) / "log.sqlite")
        with SqliteSaver(place, synchronous="NORMAL") as saver, snapshots_from(0):
            played = Played(graph, saver)
            played.play(script)
            state, history = played.state(), played.history()
        with SqliteSaver(place) as saver:
            rebuilt = reader(graph, saver)
            assert state == rebuilt.get_state(played.player.config)
            assert history == list(rebuilt.get_state_history(played.player.config))
