"""Law 8: a thread that is copied record by record, to another kind of saver and back, keeps every byte and verifies."""

from collections.abc import Sequence

from hypothesis import given

from tests.laws.descriptions import Graph, graphs
from tests.laws.logs import copy, opened, rows
from tests.laws.runs import Played, reader
from tests.laws.scripts import SCRIPTS, THREAD, Act, perform


@given(graph=graphs(), script=SCRIPTS)
def test_a_copied_thread_keeps_every_byte(graph: Graph, script: Sequence[Act]) -> None:
    """Memory to SQLite and back: the records and branches are the same, and every chain of hashes holds."""
    with opened("memory") as first, opened("sqlite") as second, opened("memory") as third:
        played = Played(graph, first)
        for act in script:
            perform(played.player.play(act), played.app)
        copy(first, second)
        copy(second, third)
        assert rows(first) == rows(second) == rows(third)
        for saver in (second, third):
            app = reader(graph, saver)
            assert app.thread(THREAD).verify().ok
            assert [one._replace(position=0) for one in first.branches(THREAD)] == [
                one._replace(position=0) for one in saver.branches(THREAD)
            ]


@given(graph=graphs(), script=SCRIPTS)
def test_a_copied_thread_goes_on(graph: Graph, script: Sequence[Act]) -> None:
    """A copy that goes on ends in the state in which the original ends."""
    with opened("memory") as first, opened("sqlite") as second:
        played = Played(graph, first)
        for act in script:
            perform(played.player.play(act), played.app)
        copy(first, second)
        again = Played(graph, second)
        final = perform(played.player.settle(), played.app)
        assert final == perform(again.player.settle(), again.app)
