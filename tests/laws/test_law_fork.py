"""Law 3: forking, and running what was forked, leaves every older checkpoint's bytes and state as they were."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure import StateSnapshot
from perdure.events import Kind
from perdure.ports import Saver
from tests.laws.descriptions import Graph, graphs
from tests.laws.logs import KINDS, opened, rows
from tests.laws.runs import Played, reader
from tests.laws.scripts import SCRIPTS, THREAD, Act, Player, perform

Way: TypeAlias = Literal["fork", "both", "update", "run", "inner"]
"""By a handle · by one, with an update · by updating an old checkpoint · by running from one ·
by a handle, at a checkpoint of a graph inside."""
KINDS_OF_WAYS: list[Way] = ["fork", "both", "update", "run", "inner"]
WAYS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(KINDS_OF_WAYS)), min_size=1, max_size=2)


def checkpoints(saver: Saver, *, inner: bool) -> list[str]:
    """Return the ids of the thread's checkpoints, of the root graph or (`inner`) of the graphs inside."""
    return [
        record.checkpoint_id
        for branch in saver.branches(THREAD)
        for record in saver.read(THREAD, branch.id, kinds=[Kind.STEP_COMMITTED])
        if bool(record.namespace) == inner
    ]


def shown(played: Played) -> dict[str, StateSnapshot]:
    """Return every checkpoint of every graph as a reader without memory sees it."""
    app = reader(played.graph, played.saver)
    ids = checkpoints(played.saver, inner=False) + checkpoints(played.saver, inner=True)
    return {id: app.get_state(at(id)) for id in ids}


def at(checkpoint: str) -> Any:
    """Return the config of a checkpoint."""
    return {"configurable": {"thread_id": THREAD, "checkpoint_id": checkpoint}}


def old_checkpoints(saver: Saver) -> list[str]:
    """Return the ids of the root graph's checkpoints that are not their branch's newest."""
    found: list[str] = []
    for branch in saver.branches(THREAD):
        committed = saver.read(THREAD, branch.id, kinds=[Kind.STEP_COMMITTED])
        found += [record.checkpoint_id for record in committed if not record.namespace][:-1]
    return found


def fork(played: Played, number: int, way: Way) -> None:
    """Fork at some checkpoint in some way, and run the fork until it is done."""
    app, saver = played.app, played.saver
    before = {one.id for one in saver.branches(THREAD)}
    values, node = {"trace": ["forked"]}, played.player.nodes[number % len(played.player.nodes)]
    old = old_checkpoints(saver)
    if way in ("run", "update") and old:
        chosen = at(old[number % len(old)])
        if way == "update":
            app.update_state(chosen, values, as_node=node)
        else:
            perform(Player([], config=chosen).go_on(), app)
    else:
        found = checkpoints(saver, inner=way == "inner") or checkpoints(saver, inner=False)
        app.thread(THREAD).fork(found[number % len(found)], name="other", reason="to see")
    for branch in {one.id for one in saver.branches(THREAD)} - before:
        config: Any = {"configurable": {"thread_id": THREAD, "branch": branch}}
        if way == "both":
            app.update_state(config, values, as_node=node)
        perform(Player([], config=config).settle(), app)


@pytest.mark.parametrize("kind", KINDS)
@given(graph=graphs(), script=SCRIPTS, ways=WAYS, settled=st.booleans())
def test_what_was_there_before_a_fork_stays(
    kind: str, graph: Graph, script: Sequence[Act], ways: list[tuple[int, Way]], settled: bool
) -> None:
    """Forks of any kind, run to their ends, change no byte and no checkpoint of any branch that was there before."""
    with opened(kind) as saver:
        played = Played(graph, saver)
        for act in script:
            perform(played.player.play(act), played.app)
        if settled:
            perform(played.player.settle(), played.app)
        for number, way in ways:
            stored, seen = rows(saver), shown(played)
            fork(played, number, way)
            assert stored == {id: one for id, one in rows(saver).items() if id in stored}
            assert seen == {id: one for id, one in shown(played).items() if id in seen}
            assert played.app.thread(THREAD).verify().ok
