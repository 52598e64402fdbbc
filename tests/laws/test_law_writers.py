"""Law 6: of two writers that go on from the same event exactly one wins, and nothing of the loser is in the log."""

from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perdure import Command
from perdure.codec import decode_event
from perdure.errors import StaleWriterError
from perdure.events import Durability, Record, RunFinished
from perdure.ports import Branch, Current, Head
from perdure_memory import InMemorySaver
from tests.laws.descriptions import Fan, Graph, Node, Single, graphs
from tests.laws.runs import CALM, Played
from tests.laws.scripts import DURABILITIES, SCRIPTS, THREAD, Act, perform
from tests.laws.world import FlakyError


class Meeting(InMemorySaver):
    """A saver that lets its readers wait until they all know the same head."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier: Barrier | None = None

    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        found = super().head(thread_id, branch)
        if self.barrier is not None:
            self.barrier.wait(timeout=30)
        return found


class Ambush(InMemorySaver):
    """A saver that lets a rival run just before an append."""

    def __init__(self) -> None:
        super().__init__()
        self.rival: Callable[[], object] | None = None
        self.countdown = 0

    def append(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
    ) -> int:
        self.countdown -= 1
        if self.countdown == 0 and self.rival is not None:
            rival, self.rival = Thread(target=self.rival), None
            rival.start()  # elsewhere, because here it would join the run that appends
            rival.join()
        return super().append(
            thread_id, branch, expected_seq=expected_seq, records=records, opens=opens, current=current
        )


class Writer:
    """One of two processes, with a run id of its own."""

    def __init__(self, name: str, graph: Graph, saver: InMemorySaver) -> None:
        self.name = name
        self.played = Played(graph, saver, settings=CALM)
        self.config: Any = {"configurable": {"thread_id": THREAD}, "run_id": name}
        self.error: Exception | None = None

    def invoke(self, given: Any, durability: Durability = "sync") -> None:
        """Run once, and keep what is raised."""
        try:
            self.played.app.invoke(given, self.config, durability=durability)
        except (StaleWriterError, FlakyError, InterruptedError) as error:
            self.error = error

    @property
    def lost(self) -> bool:
        """Tell whether another writer was first."""
        return isinstance(self.error, StaleWriterError)

    def recorded(self) -> list[Record]:
        """Return what stands in the log of this writer's run."""
        return [one for one in self.played.saver.tail(limit=1_000_000) if one.run_id == self.name]


def request(played: Played) -> Any:
    """Return something that a thread can be asked for: answers if it waits for some, else a new turn."""
    asked = played.state().interrupts
    if asked:
        return Command(resume={one.id: f"re {one.value}" for one in asked})
    return {"trace": ["in"], "letters": [{"n": 0}]}


def prepared(graph: Graph, script: Sequence[Act], saver: InMemorySaver) -> Played:
    """Play a script on the saver."""
    played = Played(graph, saver)
    for act in script:
        perform(played.player.play(act), played.app)
    return played


@given(graph=graphs(), script=SCRIPTS, durability=DURABILITIES)
def test_one_of_two_writers_from_one_head_wins(graph: Graph, script: Sequence[Act], durability: Durability) -> None:
    """Two threads ask for the same at the same head: one runs, the other is told so and has written nothing.

    Unless durability is `exit`, the loser has not even run a node.
    """
    with Meeting() as saver:
        played = prepared(graph, script, saver)
        given, writers = request(played), [Writer("one", graph, saver), Writer("two", graph, saver)]
        saver.barrier = Barrier(2)
        threads = [Thread(target=one.invoke, args=(given, durability)) for one in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        saver.barrier = None
        loser, winner = sorted(writers, key=lambda one: not one.lost)
        assert (loser.lost, winner.lost) == (True, False)
        assert loser.recorded() == []
        assert winner.recorded() != []
        if durability == "sync":
            assert loser.played.world.executions == []
        assert played.app.thread(THREAD).verify().ok
        perform(played.player.settle(), played.app)


@given(graph=graphs(), script=SCRIPTS, durability=DURABILITIES, at=st.integers(1, 6), anew=st.booleans())
def test_a_writer_that_was_overtaken_writes_no_more(
    graph: Graph, script: Sequence[Act], durability: Durability, at: int, anew: bool
) -> None:
    """A rival that runs just before any append of a run makes that append fail, and all of what would come after it."""
    with Ambush() as saver:
        played = prepared(graph, script, saver)
        given, slow, rival = request(played), Writer("slow", graph, saver), Writer("rival", graph, saver)
        before: list[Record] = []
        threads = set(enumerate_threads())

        def overtake() -> None:
            before.extend(slow.recorded())
            going = not anew and rival.played.state().next and not rival.played.state().interrupts
            rival.invoke(None if going else request(rival.played))

        saver.rival, saver.countdown = overtake, at
        slow.invoke(given, durability)
        assume(saver.rival is None)
        assert slow.lost
        assert not rival.lost
        assert before == without_end(slow)
        assert rival.recorded() != []
        assert threads == {one for one in enumerate_threads() if one.is_alive()}
        assert played.app.thread(THREAD).verify().ok
        perform(played.player.settle(), played.app)


@pytest.mark.parametrize("others", range(1, 9))
def test_a_refused_writer_does_not_get_in_by_a_number_that_fits(others: int) -> None:
    """Nothing of an overtaken run is appended later, even where its next seq happens to follow the rival's last one."""
    inner = Graph((Single(Node()), Single(Node())))
    graph = Graph((Fan(((Node(inner=inner, how="call"),), (Node(),))),))
    with Ambush() as saver:
        slow, rival = Writer("slow", graph, saver), Writer("rival", graph, saver)

        def overtake() -> None:
            for _ in range(others):
                rival.played.app.update_state(rival.config, {"trace": ["other"]}, as_node="s0_1_0")

        saver.rival, saver.countdown = overtake, 3
        slow.invoke({"trace": ["in"]})
        assert slow.lost
        assert rival.played.app.thread(THREAD).verify().problem is None


def without_end(writer: Writer) -> list[Record]:
    """Return what stands of a run, but for the end that the run after it recorded in its place."""
    return [one for one in writer.recorded() if not isinstance(decode_event(one), RunFinished)]
