"""The past: history, updates, replays and forks show and do what they do on LangGraph."""

import operator
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, level, same, view, views

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def chain(peer: Peer, ran: list[str]) -> Any:
    """Return a builder of a, b, c in a row, which note that they run."""

    def node(name: str) -> Any:
        def run(state: State) -> State:
            ran.append(name)
            return {"log": [name], "n": state.get("n", 0) + 1}

        return run

    builder = peer.StateGraph(State)
    for name in "abc":
        builder.add_node(name, node(name))
    return builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c")


def ran_once(peer: Peer) -> tuple[Any, list[str], list[Any]]:
    """Return the graph after a first run, what ran, and its checkpoints, oldest first."""
    ran: list[str] = []
    graph = peer.compile(chain(peer, ran))
    peer.invoke(graph, {"log": [], "n": 0}, PLACE)
    return graph, ran, list(graph.get_state_history(PLACE))[::-1]


def at(snapshots: list[Any], next: str) -> Any:
    """Return the config of the checkpoint before a node."""
    (found,) = [one for one in snapshots if one.next == (next,)]
    return found.config


@same
def test_history(peer: Peer) -> Observation:
    """Newest first, each with its values, what came next, and what became of that."""
    graph, _, snapshots = ran_once(peer)
    by_id = {one.config["configurable"]["checkpoint_id"]: one for one in snapshots}
    parents = [
        one.parent_config and by_id[one.parent_config["configurable"]["checkpoint_id"]].next for one in snapshots
    ]
    return views(graph, PLACE), parents, [view(graph.get_state(one.config)) for one in snapshots]


@same
def test_history_in_part(peer: Peer) -> Observation:
    """By metadata, before a checkpoint, and at most so many."""
    graph, _, snapshots = ran_once(peer)
    before = at(snapshots, "c")
    return (
        views(graph, PLACE, filter={"source": "input"}),
        views(graph, PLACE, filter={"step": 1}),
        views(graph, PLACE, filter={"source": "loop", "step": 2}),
        views(graph, PLACE, filter={"source": "none"}),
        views(graph, PLACE, limit=2),
        views(graph, PLACE, limit=0),
        views(graph, PLACE, before=before),
        views(graph, PLACE, before=before, limit=1),
        views(graph, PLACE, before=before, filter={"source": "loop"}, limit=5),
    )


@same
def test_replay(peer: Peer) -> Observation:
    """None on an old checkpoint runs again what came after it; what was before is not run again."""
    graph, ran, snapshots = ran_once(peer)
    ran.clear()
    out = peer.invoke(graph, None, at(snapshots, "b"))
    return out, ran, view(graph.get_state(PLACE)), views(graph, PLACE)


@same
def test_replay_of_the_end(peer: Peer) -> Observation:
    """At the last checkpoint there is nothing to run."""
    graph, ran, snapshots = ran_once(peer)
    ran.clear()
    return peer.invoke(graph, None, snapshots[-1].config), ran


@same
def test_new_input_on_an_old_checkpoint(peer: Peer) -> Observation:
    """A new turn can begin in the past."""
    graph, ran, snapshots = ran_once(peer)
    ran.clear()
    out = peer.invoke(graph, {"log": ["in"]}, at(snapshots, "b"))
    return out, ran, view(graph.get_state(PLACE))


@same
def test_fork_by_update(peer: Peer) -> Observation:
    """An update of an old checkpoint is where another future begins; the old one stays."""
    graph, ran, snapshots = ran_once(peer)
    ran.clear()
    config = graph.update_state(at(snapshots, "c"), {"log": ["me"]})
    forked = view(graph.get_state(config))
    out = peer.invoke(graph, None, config)
    return forked, out, ran, view(graph.get_state(snapshots[-1].config)), view(graph.get_state(PLACE))


@same
def test_update_as_another_node(peer: Peer) -> Observation:
    """What comes next follows from the node that an update speaks for."""
    seen = []
    for node in ("a", "b", "c", START):
        graph, ran, _ = ran_once(peer)
        ran.clear()
        graph.update_state(PLACE, {"n": 10}, as_node=node)
        seen.append((node, view(graph.get_state(PLACE)), peer.invoke(graph, None, PLACE), ran))
    return seen


@same
def test_update_of_a_new_thread(peer: Peer) -> Observation:
    """A thread may begin with an update: as the input, or as a node."""
    seen = []
    for node in (None, START, "a", "c"):
        ran: list[str] = []
        graph = peer.compile(chain(peer, ran))
        graph.update_state(PLACE, {"n": 10, "log": ["me"]}, as_node=node)
        seen.append((node, view(graph.get_state(PLACE)), peer.invoke(graph, None, PLACE), ran))
    return seen


@same
def test_update_that_clears_what_is_open(peer: Peer) -> Observation:
    """`as_node=END` without values drops the open tasks."""
    ran: list[str] = []
    graph = peer.compile(chain(peer, ran), interrupt_before=["b"])
    peer.invoke(graph, {"log": []}, PLACE)
    graph.update_state(PLACE, None, as_node=END)
    return view(graph.get_state(PLACE)), peer.invoke(graph, None, PLACE), ran


@same
def test_update_goes_through_the_router(peer: Peer) -> Observation:
    """An update's node routes as if it had run."""
    builder = peer.StateGraph(State)
    for name in ("a", "low", "high"):
        builder.add_node(name, lambda s, name=name: {"log": [name]})
    builder.add_edge(START, "a").add_conditional_edges("a", lambda s: "high" if s["n"] > 5 else "low", ["low", "high"])
    graph = peer.compile(builder)
    peer.invoke(graph, {"n": 1, "log": []}, PLACE)
    graph.update_state(PLACE, {"n": 9}, as_node="a")
    return view(graph.get_state(PLACE)), peer.invoke(graph, None, PLACE)


@same
def test_bulk_update(peer: Peer) -> Observation:
    """Several updates at once: a list a step, each update for a node."""
    graph = peer.compile(chain(peer, []))
    steps = [
        [peer.StateUpdate({"log": ["in"], "n": 0}, "__input__")],
        [peer.StateUpdate({"log": ["as a"]}, "a")],
        [peer.StateUpdate({"log": ["as b"], "n": 7}, "b"), peer.StateUpdate({"log": ["as c"]}, "c")],
    ]
    config = graph.bulk_update_state(PLACE, steps)
    same_place = (
        config["configurable"]["checkpoint_id"] == graph.get_state(PLACE).config["configurable"]["checkpoint_id"]
    )
    return same_place, [one["values"] for one in views(graph, PLACE)], view(graph.get_state(PLACE))["next"]


@same
def test_update_while_a_question_is_open(peer: Peer) -> Observation:
    """As the node that asks, an update stands for its answer; as the one before, it is asked again."""
    seen = []
    for node in ("before", "ask"):
        builder = peer.StateGraph(State).add_node("before", lambda s: {"log": ["before"]})
        builder.add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_node("end", lambda s: {"log": ["end"]})
        builder.add_edge(START, "before").add_edge("before", "ask").add_edge("ask", "end")
        graph = peer.compile(builder)
        peer.invoke(graph, {"log": []}, PLACE)
        graph.update_state(PLACE, {"n": 1}, as_node=node)
        state = view(graph.get_state(PLACE))
        seen.append((node, state["next"], level(state["values"]), peer.invoke(graph, None, PLACE)))
    return seen


@same
def test_failure_and_then(peer: Peer) -> Observation:
    """A failed step keeps what finished beside it; going on runs only what failed."""
    ran: list[str] = []

    def flaky(state: State) -> State:
        ran.append("flaky")
        if ran.count("flaky") == 1:
            raise ConnectionError("down")
        return {"log": ["flaky"]}

    def fine(state: State) -> State:
        ran.append("fine")
        return {"log": ["fine"]}

    builder = peer.StateGraph(State).add_node("flaky", flaky).add_node("a_fine", fine)
    graph = peer.compile(builder.add_edge(START, "flaky").add_edge(START, "a_fine"))
    failed = peer.fails(graph, {"log": []}, {**PLACE, "max_concurrency": 1})
    state = view(graph.get_state(PLACE))
    return failed, state["next"], state["values"], peer.invoke(graph, None, PLACE), sorted(ran)


@same
def test_question_on_a_fork(peer: Peer) -> Observation:
    """A replay asks again, whatever was answered before; the old answer stays where it was."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
    graph = peer.compile(builder)
    peer.invoke(graph, {"log": []}, PLACE)
    peer.invoke(graph, peer.Command(resume="first"), PLACE)
    snapshots = list(graph.get_state_history(PLACE))
    again = peer.invoke(graph, None, at(snapshots, "ask"))
    out = peer.invoke(graph, peer.Command(resume="second"), PLACE)
    return again, out, view(graph.get_state(snapshots[0].config))["values"]
