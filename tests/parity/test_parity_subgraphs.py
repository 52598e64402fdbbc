"""Graphs inside graphs: as nodes and called in nodes, with questions, streams, state and history of their own."""

import operator
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, level, same, view, views

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Other(TypedDict, total=False):
    question: str
    answer: str


def inner(peer: Peer, *, asks: bool = False) -> Any:
    """Return a graph of two nodes over the same state; the second may ask."""

    def second(state: State) -> Any:
        return {"log": [peer.interrupt("inner?") if asks else "in2"]}

    builder = peer.StateGraph(State).add_node("in1", lambda s: {"log": ["in1"]}).add_node("in2", second)
    return builder.add_edge(START, "in1").add_edge("in1", "in2").compile()


def outer(peer: Peer, node: Any, **options: Any) -> Any:
    builder = peer.StateGraph(State).add_node("first", lambda s: {"log": ["first"]}).add_node("sub", node)
    builder.add_node("last", lambda s: {"log": ["last"]})
    return peer.compile(builder.add_edge(START, "first").add_edge("first", "sub").add_edge("sub", "last"), **options)


@same
def test_graph_as_node(peer: Peer) -> Observation:
    """A graph as node takes the state and gives back its output: reduced keys are added once more, as by any node."""
    graph = outer(peer, inner(peer))
    return peer.invoke(graph, {"log": ["in"]}, PLACE), views(graph, PLACE)


@same
def test_graph_called_in_a_node(peer: Peer) -> Observation:
    """A graph over another state, translated by the node that calls it; twice in one node."""

    def reply(state: Other) -> Other:
        return {"answer": state["question"].upper()}

    other = peer.StateGraph(Other).add_node("reply", reply).add_edge(START, "reply").compile()

    def node(state: State) -> Any:
        return {"log": [other.invoke({"question": word})["answer"] for word in ("a", "b")]}

    return peer.invoke(outer(peer, node), {"log": []}, PLACE)


@same
def test_question_in_a_graph_inside(peer: Peer) -> Observation:
    """It reaches the caller, is answered there, and finished nodes inside do not run again."""
    graph = outer(peer, inner(peer, asks=True))
    paused = peer.invoke(graph, {"log": []}, PLACE)
    state = view(graph.get_state(PLACE, subgraphs=True))
    return paused, state["next"], state["tasks"], peer.invoke(graph, peer.Command(resume="yes"), PLACE)


@same
def test_question_two_levels_down(peer: Peer) -> Observation:
    """Through every level, and by its id."""
    middle = peer.StateGraph(State).add_node("deep", inner(peer, asks=True)).add_edge(START, "deep").compile()
    graph = outer(peer, middle)
    paused = peer.invoke(graph, {"log": []}, PLACE)
    (id,) = peer.ids(graph, PLACE)
    return paused, peer.invoke(graph, peer.Command(resume={id: "deep"}), PLACE)


@same
def test_questions_of_sends_to_a_graph(peer: Peer) -> Observation:
    """Each Send to a graph is a graph of its own with a question of its own."""
    builder = peer.StateGraph(State, output_schema=Log)
    builder.add_node("ask", lambda s: {"log": [(s["n"], peer.interrupt(s["n"]))]})
    asking = builder.add_edge(START, "ask").compile()
    root = peer.StateGraph(State).add_node("sub", asking)
    root.add_conditional_edges(START, lambda s: [peer.Send("sub", {"n": n, "log": []}) for n in range(3)], ["sub"])
    graph = peer.compile(root)
    peer.invoke(graph, {"log": []}, PLACE)
    answers = {id: f"a{number}" for number, id in enumerate(peer.ids(graph, PLACE))}
    return len(answers), peer.invoke(graph, peer.Command(resume=answers), PLACE)


@same
def test_command_to_the_graph_around(peer: Peer) -> Observation:
    """A node inside may update and steer the graph that its own stands in."""
    leave = peer.StateGraph(State).add_node(
        "leave", lambda s: peer.Command(graph=peer.Command.PARENT, update={"log": ["from inside"]}, goto="end")
    )
    root = peer.StateGraph(State).add_node("sub", leave.add_edge(START, "leave").compile())
    root.add_node("end", lambda s: {"log": ["end"]}).add_edge(START, "sub")
    return peer.invoke(peer.compile(root), {"log": []}, PLACE)


@same
def test_streams(peer: Peer) -> Observation:
    """With `subgraphs`, parts of inner graphs come with their path; without, they stay inside."""
    return [
        peer.stream(outer(peer, inner(peer)), {"log": []}, PLACE, stream_mode=mode, subgraphs=subgraphs)
        for mode in ("updates", "values", ["updates", "values"])
        for subgraphs in (False, True)
    ]


@same
def test_streams_of_a_question(peer: Peer) -> Observation:
    """A question inside shows in its own graph and once more at the root."""
    graph = outer(peer, inner(peer, asks=True))
    asked = peer.stream(graph, {"log": []}, PLACE, stream_mode="updates", subgraphs=True)
    return asked, peer.stream(graph, peer.Command(resume="yes"), PLACE, stream_mode="updates", subgraphs=True)


@same
def test_breakpoint_inside(peer: Peer) -> Observation:
    """A graph inside may have breakpoints; None goes on inside."""
    builder = (
        peer.StateGraph(State).add_node("in1", lambda s: {"log": ["in1"]}).add_node("in2", lambda s: {"log": ["in2"]})
    )
    sub = builder.add_edge(START, "in1").add_edge("in1", "in2").compile(interrupt_before=["in2"])
    graph = outer(peer, sub)
    stopped = peer.invoke(graph, {"log": []}, PLACE)
    state = view(graph.get_state(PLACE, subgraphs=True))
    return stopped, state["next"], state["tasks"], peer.invoke(graph, None, PLACE)


@same
def test_failure_inside(peer: Peer) -> Observation:
    """A failed node inside runs again; its sisters and the graph around do not."""
    ran: list[str] = []

    def flaky(state: State) -> Any:
        ran.append("flaky")
        if len(ran) == 2:
            raise ConnectionError("down")
        return {"log": ["flaky"]}

    def fine(state: State) -> Any:
        ran.append("fine")
        return {"log": ["fine"]}

    builder = peer.StateGraph(State).add_node("fine", fine).add_node("flaky", flaky)
    graph = outer(peer, builder.add_edge(START, "fine").add_edge("fine", "flaky").compile())
    return peer.fails(graph, {"log": []}, PLACE), peer.invoke(graph, None, PLACE), ran


@same
def test_update_inside(peer: Peer) -> Observation:
    """The state of a graph that waits can be updated where it stands."""
    builder = (
        peer.StateGraph(State).add_node("in1", lambda s: {"log": ["in1"]}).add_node("in2", lambda s: {"log": ["in2"]})
    )
    sub = builder.add_edge(START, "in1").add_edge("in1", "in2").compile(interrupt_before=["in2"])
    graph = outer(peer, sub)
    peer.invoke(graph, {"log": []}, PLACE)
    (waiting,) = graph.get_state(PLACE).tasks
    graph.update_state(waiting.state, {"log": ["me"]})
    return level(graph.get_state(waiting.state).values), peer.invoke(graph, None, PLACE)


@same
def test_graph_that_remembers(peer: Peer) -> Observation:
    """Compiled with True, a graph inside keeps its state from turn to turn; by default it starts anew."""
    seen = []
    for keeps in (None, True):
        builder = peer.StateGraph(State).add_node("count", lambda s: {"log": [len(s["log"])], "n": s.get("n", 0) + 1})
        sub = builder.add_edge(START, "count").compile(checkpointer=keeps)
        root = peer.StateGraph(Other).add_node(
            "call", lambda s, sub=sub: {"answer": str(sorted(sub.invoke({"log": ["x"]}).items()))}
        )
        graph = peer.compile(root.add_edge(START, "call").add_edge("call", END))
        seen.append([peer.invoke(graph, {"question": "?"}, PLACE) for _ in range(3)])
    return seen


@same
def test_replay_with_a_graph_inside(peer: Peer) -> Observation:
    """A replay from before the inner graph runs the whole of it; its state then is the past's."""
    ran: list[str] = []

    def count(state: State) -> Any:
        ran.append("count")
        return {"log": [len(state["log"])]}

    sub = peer.StateGraph(State).add_node("count", count).add_edge(START, "count").compile()
    graph = outer(peer, sub)
    first = peer.invoke(graph, {"log": []}, PLACE)
    before = next(one for one in graph.get_state_history(PLACE) if one.next == ("sub",))
    return first, peer.invoke(graph, None, before.config), ran, view(graph.get_state(before.config))["values"]


@same
def test_fork_with_a_question_inside(peer: Peer) -> Observation:
    """A fork from before the inner graph asks again, with the fork's own answer."""
    graph = outer(peer, inner(peer, asks=True))
    peer.invoke(graph, {"log": []}, PLACE)
    first = peer.invoke(graph, peer.Command(resume="one"), PLACE)
    before = next(one for one in graph.get_state_history(PLACE) if one.next == ("sub",))
    config = graph.update_state(before.config, {"log": ["fork"]})
    again = peer.invoke(graph, None, config)
    return first, again, peer.invoke(graph, peer.Command(resume="two"), PLACE)
