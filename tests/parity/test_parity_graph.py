"""Graphs run as they do on LangGraph: order, joins, branches, cycles, commands, map-reduce, limits."""

import operator
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, same


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def note(word: Any) -> Any:
    """Return a node that logs a word."""
    return lambda state: {"log": [word]}


def noting(peer: Peer, *names: str) -> Any:
    """Return a builder with nodes that log their names."""
    builder = peer.StateGraph(State)
    for name in names:
        builder.add_node(name, note(name))
    return builder


def run(peer: Peer, builder: Any, given: Any = None) -> Observation:
    """Return a run's parts of both modes, its end and its history."""
    graph = peer.compile(builder)
    config = {"configurable": {"thread_id": "t"}}
    parts = peer.stream(graph, {"log": []} if given is None else given, config, stream_mode=["updates", "values"])
    return parts, peer.invoke(graph, None, config), [one.next for one in graph.get_state_history(config)]


@same
def test_sequence(peer: Peer) -> Observation:
    """Nodes in a row run one after the other."""
    builder = peer.StateGraph(State)
    builder.add_sequence([("a", note("a")), ("b", note("b")), ("c", note("c"))])
    return run(peer, builder.add_edge(START, "a"))


@same
def test_parallel_nodes_write_in_order_of_their_names(peer: Peer) -> Observation:
    """Writes of one step are applied by task path, whatever the order of adding."""
    builder = noting(peer, "zeta", "alpha", "mid")
    for name in ("zeta", "alpha", "mid"):
        builder.add_edge(START, name)
    graph = peer.compile(builder)
    config = {"configurable": {"thread_id": "t"}}
    return peer.invoke(graph, {"log": []}, config), [one.next for one in graph.get_state_history(config)]


@same
def test_diamond(peer: Peer) -> Observation:
    """Without a join, a node with two edges into it runs once if both fire in one step."""
    builder = noting(peer, "a", "b", "c", "d")
    for start, end in [(START, "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]:
        builder.add_edge(start, end)
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_uneven_diamond_runs_twice(peer: Peer) -> Observation:
    """Without a join, a node runs once for each step in which an edge into it fires."""
    builder = noting(peer, "a", "b", "b2", "c", "d")
    for start, end in [(START, "a"), ("a", "b"), ("b", "b2"), ("a", "c"), ("b2", "d"), ("c", "d")]:
        builder.add_edge(start, end)
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_join_waits_for_all(peer: Peer) -> Observation:
    """An edge from several nodes fires once all have run, in whichever steps."""
    builder = noting(peer, "a", "b", "b2", "c", "d")
    for start, end in [(START, "a"), ("a", "b"), ("b", "b2"), ("a", "c")]:
        builder.add_edge(start, end)
    builder.add_edge(["b2", "c"], "d")
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_join_in_a_cycle_waits_again(peer: Peer) -> Observation:
    """A join that has fired waits for all of its sources anew."""
    builder = noting(peer, "a", "b", "c")
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")

    def again(state: State) -> list[str]:
        return ["a", "b"] if len(state["log"]) < 6 else [END]

    builder.add_conditional_edges("c", again)
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_conditional_edges(peer: Peer) -> Observation:
    """A router returns a node, a key of its map, or a list of these; it sees its node's own writes."""
    seen: list[Any] = []

    def choose(state: State) -> Any:
        seen.append(list(state["log"]))
        return "left" if len(state["log"]) == 1 else ["x", "y"]

    builder = noting(peer, "a", "b", "c", "d").add_edge(START, "a")
    builder.add_conditional_edges("a", choose, {"left": "b", "right": "c"})
    builder.add_conditional_edges("b", lambda state: ["c", "d"], ["c", "d"])
    builder.add_conditional_edges("d", lambda state: END)
    return run(peer, builder), seen[:1]


@same
def test_conditional_entry(peer: Peer) -> Observation:
    """Where a run begins can depend on its input."""
    builder = noting(peer, "a", "b")
    builder.set_conditional_entry_point(lambda state: "a" if state["n"] else "b")
    graph = peer.compile(builder)
    return [peer.invoke(graph, {"log": [], "n": n}, {"configurable": {"thread_id": str(n)}}) for n in (0, 1)]


@same
def test_router_that_sends(peer: Peer) -> Observation:
    """Sends are tasks of their own, in the order given; results are collected by the reducer."""
    builder = peer.StateGraph(State)
    builder.add_node("plan", lambda state: {"n": 3})
    builder.add_node("work", lambda item: {"log": [item["i"] * 10]})
    builder.add_node("sum", lambda state: {"n": sum(state["log"])})
    builder.add_edge(START, "plan").add_edge("work", "sum")
    builder.add_conditional_edges("plan", lambda s: [peer.Send("work", {"i": i}) for i in range(s["n"])], ["work"])
    return run(peer, builder)


@same
def test_sends_beside_nodes(peer: Peer) -> Observation:
    """In one step, nodes' writes come before those of sends."""
    builder = noting(peer, "a", "z").add_node("work", lambda item: {"log": [item]})
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: ["z", peer.Send("work", 2), peer.Send("work", 1)])
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_cycle(peer: Peer) -> Observation:
    """A graph may go round until its router ends it."""
    builder = peer.StateGraph(State).add_node("inc", lambda state: {"n": state["n"] + 1, "log": [state["n"]]})
    builder.add_edge(START, "inc").add_conditional_edges("inc", lambda s: END if s["n"] >= 4 else "inc")
    return run(peer, builder, {"n": 0, "log": []})


@same
def test_command_goes_and_writes(peer: Peer) -> Observation:
    """A node's Command updates and goes, in addition to its edges."""
    builder = noting(peer, "b", "c")
    builder.add_node("a", lambda state: peer.Command(update={"log": ["a"]}, goto="c"))
    builder.add_edge(START, "a").add_edge("a", "b")
    return run(peer, builder)


@same
def test_command_goes_to_several(peer: Peer) -> Observation:
    """Nodes and Sends together; END ends that path only."""
    builder = noting(peer, "b").add_node("work", lambda item: {"log": [item]})
    builder.add_node("a", lambda state: peer.Command(goto=["b", peer.Send("work", "x"), peer.Send("work", "y")]))
    builder.add_edge(START, "a")
    ending = noting(peer, "b").add_node("a", lambda state: peer.Command(update={"n": 1}, goto=END)).add_edge(START, "a")
    return run(peer, builder), run(peer, ending)


@same
def test_list_of_commands_and_dicts(peer: Peer) -> Observation:
    """A node may return several updates and commands at once."""
    builder = noting(peer, "b", "c")
    builder.add_node(
        "a",
        lambda state: [{"log": ["a1"]}, peer.Command(update={"log": ["a2"]}, goto="b"), peer.Command(goto="c")],
    )
    return run(peer, builder.add_edge(START, "a"))


@same
def test_command_as_input(peer: Peer) -> Observation:
    """A caller's Command updates and goes on a thread that has ended."""
    builder = noting(peer, "a", "b").add_edge(START, "a")
    graph = peer.compile(builder)
    config = {"configurable": {"thread_id": "t"}}
    return (
        peer.invoke(graph, {"log": []}, config),
        peer.invoke(graph, peer.Command(update={"log": ["me"]}, goto="b"), config),
        peer.invoke(graph, peer.Command(goto=["a", "b"]), config),
    )


@same
def test_deferred_node_runs_last(peer: Peer) -> Observation:
    """A deferred node waits until nothing else is left to run."""
    builder = noting(peer, "a", "b", "b2", "b3", "c")
    builder.add_node("last", note("last"), defer=True)
    for start, end in [(START, "a"), ("a", "b"), ("b", "b2"), ("b2", "b3"), ("a", "c"), ("c", "last"), ("b3", "last")]:
        builder.add_edge(start, end)
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_deferred_join_takes_no_more_arrivals_while_it_waits(peer: Peer) -> Observation:
    """A node that arrives once more before the deferred target runs is no half of a next join."""
    builder = noting(peer, "a", "b").add_node("last", note("last"), defer=True)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "last")
    builder.add_conditional_edges("a", lambda state: "a" if state["log"].count("a") < 2 else END)
    builder.add_conditional_edges("last", lambda state: "b" if state["log"].count("last") < 2 else END)
    return peer.invoke(peer.compile(builder), {"log": []}, {"configurable": {"thread_id": "t"}})


@same
def test_recursion_limit(peer: Peer) -> Observation:
    """A run that does not end is stopped after so many steps; going on counts anew."""
    builder = peer.StateGraph(State).add_node("inc", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "inc").add_conditional_edges("inc", lambda s: END if s["n"] >= 5 else "inc")
    seen: list[Any] = []
    for limit in (1, 3, 4, 6):
        graph = peer.compile(builder)
        config = {"configurable": {"thread_id": "t"}, "recursion_limit": limit}
        error, _ = peer.fails(graph, {"n": 0}, config)
        state = graph.get_state(config)
        seen.append((limit, error, state.values["n"], state.next))
        if error != "no error":
            seen.append((peer.fails(graph, None, config)[0], graph.get_state(config).values["n"]))
    return seen


@same
def test_turns_of_one_thread(peer: Peer) -> Observation:
    """A finished thread takes another input; reduced keys grow, plain keys stay."""
    builder = noting(peer, "a").add_edge(START, "a")
    graph = peer.compile(builder)
    config = {"configurable": {"thread_id": "t"}}
    first = peer.invoke(graph, {"log": ["one"], "n": 1}, config)
    return first, peer.invoke(graph, {"log": ["two"]}, config), peer.invoke(graph, None, config)


@same
def test_input_that_writes_nothing(peer: Peer) -> Observation:
    """An empty dict starts the graph on a thread that has state."""
    builder = noting(peer, "a").add_edge(START, "a")
    graph = peer.compile(builder)
    config = {"configurable": {"thread_id": "t"}}
    peer.invoke(graph, {"log": ["one"]}, config)
    return peer.invoke(graph, {}, config)


@same
def test_node_that_returns_nothing(peer: Peer) -> Observation:
    """None and an empty dict are no writes; what comes next still does."""
    builder = noting(peer, "c").add_node("a", lambda state: None).add_node("b", lambda state: {})
    return run(peer, builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c"))
