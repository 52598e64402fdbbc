"""Law 4: folding twice is folding once, and whoever reads writes nothing."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from perdure.codec import decode_event
from perdure.codecs import dumps, loads
from perdure.ports import Saver
from perdure.rules.freeze import freeze, thaw
from perdure.rules.project import ThreadState, evolve
from tests.laws.descriptions import Graph, graphs
from tests.laws.logs import KINDS, fold, line, opened, rows
from tests.laws.runs import Played, reader
from tests.laws.scripts import SCRIPTS, THREAD, Act, perform


@given(graph=graphs(), script=SCRIPTS)
def test_folding_twice_is_folding_once(graph: Graph, script: Sequence[Act]) -> None:
    """Two folds agree; a fold that pauses at any event, is stored and taken up again, agrees with one that does not."""
    with opened("memory") as saver:
        Played(graph, saver).play(script)
        for branch in saver.branches(THREAD):
            once = dumps(freeze(fold(saver, branch.id, branch.head_seq)))
            assert once == dumps(freeze(fold(saver, branch.id, branch.head_seq)))
            assert once == dumps(freeze(piecewise(saver, branch.id)))


def piecewise(saver: Saver, branch: str) -> ThreadState:
    """Fold a line of history, frozen and thawed after each event."""
    state = ThreadState()
    for record in line(saver, branch):
        evolve(state, record, decode_event(record))
        state = thaw(loads(dumps(freeze(state))))
    return state


@pytest.mark.parametrize("kind", KINDS)
@given(graph=graphs(), script=SCRIPTS)
def test_reading_writes_nothing(kind: str, graph: Graph, script: Sequence[Act]) -> None:
    """Looking at everything there is to see, twice, shows the same twice and leaves every byte as it was."""
    with opened(kind) as saver:
        played = Played(graph, saver)
        for act in script:
            perform(played.player.play(act), played.app)
        stored, placed = rows(saver), saver.tail(limit=100_000)
        assert look(played) == look(played)
        assert (stored, placed) == (rows(saver), saver.tail(limit=100_000))


def look(played: Played) -> list[object]:
    """Return everything that a reader can see of the thread, in a graph that ran it and in one that did not."""
    seen: list[object] = []
    for app in (played.app, reader(played.graph, played.saver)):
        thread = app.thread(THREAD)
        history = thread.history()
        seen += [thread.state(subgraphs=True), history, thread.events(), thread.branches(), thread.pending()]
        seen += [app.get_state(one.config, subgraphs=True) for one in history] + [thread.verify().ok]
    return seen


@given(graph=graphs(), script=SCRIPTS)
def test_going_on_with_a_thread_that_is_done_does_nothing(graph: Graph, script: Sequence[Act]) -> None:
    """Running a finished thread on, warm or cold, returns its state, runs no node and appends no event."""
    with opened("memory") as saver:
        played = Played(graph, saver)
        final = played.play(script)
        stored, executed = rows(saver), len(played.world.executions)
        assert final == played.app.invoke(None, played.player.config)
        assert final == reader(graph, saver).invoke(None, played.player.config)
        assert (stored, executed) == (rows(saver), len(played.world.executions))
