"""Questions and answers: several of them, in parallel nodes, in Sends, in subgraphs; breakpoints; pauses that re-fire.

Where nodes wait side by side and only some are answered, LangGraph runs the others again and perdure does not: that is
in `test_partial_answers`, not here.
"""

import operator
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, same, view, views

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def look(graph: Any) -> Observation:
    return view(graph.get_state(PLACE))


@same
def test_one_question(peer: Peer) -> Observation:
    """Asked, shown, answered; the node runs again from its first line."""
    ran: list[str] = []

    def ask(state: State) -> Any:
        ran.append("ask")
        return {"log": [peer.interrupt({"say": "yes"})]}

    builder = peer.StateGraph(State).add_node("ask", ask).add_node("end", lambda s: {"n": 1})
    graph = peer.compile(builder.add_edge(START, "ask").add_edge("ask", "end"))
    paused = peer.stream(graph, {"log": []}, PLACE, stream_mode=["updates", "values"])
    before = look(graph)
    done = peer.stream(graph, peer.Command(resume="yes"), PLACE, stream_mode=["updates", "values"])
    return paused, before, done, look(graph), views(graph, PLACE), ran


@same
def test_questions_one_after_the_other(peer: Peer) -> Observation:
    """Each answer goes to the question that is open; earlier ones are remembered."""

    def ask(state: State) -> Any:
        return {"log": [peer.interrupt("first"), peer.interrupt("second"), peer.interrupt("third")]}

    graph = peer.compile(peer.StateGraph(State).add_node("ask", ask).add_edge(START, "ask"))
    seen = [peer.invoke(graph, {"log": []}, PLACE)]
    for answer in ("1", {"two": 2}, ["3"]):
        seen += [look(graph)["interrupts"], peer.invoke(graph, peer.Command(resume=answer), PLACE)]
    return seen, look(graph)


@same
def test_answer_by_id(peer: Peer) -> Observation:
    """A map from interrupt id to answer, for one question."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
    graph = peer.compile(builder)
    peer.invoke(graph, {"log": []}, PLACE)
    (id,) = peer.ids(graph, PLACE)
    return peer.invoke(graph, peer.Command(resume={id: {"deep": [1]}}), PLACE)


@same
def test_parallel_nodes_answered_together(peer: Peer) -> Observation:
    """Two nodes ask in one step; one map answers both. What had finished beside them is kept."""
    builder = peer.StateGraph(State).add_node("done", lambda s: {"log": ["done"]}).add_edge(START, "done")
    for name in "ab":
        builder.add_node(name, lambda s, name=name: {"log": [name + peer.interrupt(name + "?")]}).add_edge(START, name)
    graph = peer.compile(builder)
    paused = peer.invoke(graph, {"log": []}, PLACE)
    before = look(graph)
    answers = {id: f"={number}" for number, id in enumerate(peer.ids(graph, PLACE))}
    return (
        paused["log"],
        sorted(paused["__interrupt__"]),
        before["next"],
        peer.invoke(graph, peer.Command(resume=answers), PLACE),
    )


@same
def test_parallel_sends_answered_together(peer: Peer) -> Observation:
    """Tasks of one node that ask each have an id of their own."""
    builder = peer.StateGraph(State).add_node("work", lambda item: {"log": [(item, peer.interrupt(item))]})
    builder.add_conditional_edges(START, lambda s: [peer.Send("work", number) for number in range(3)], ["work"])
    graph = peer.compile(builder)
    peer.invoke(graph, {"log": []}, PLACE)
    ids = peer.ids(graph, PLACE)
    answers = {id: number * 10 for number, id in enumerate(ids)}
    return look(graph), len(set(ids)), peer.invoke(graph, peer.Command(resume=answers), PLACE)


@same
def test_answer_with_update_and_goto(peer: Peer) -> Observation:
    """A Command may answer, write and go at once; the write is applied once."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
    builder.add_node("other", lambda s: {"log": ["other"]})
    graph = peer.compile(builder)
    peer.invoke(graph, {"log": []}, PLACE)
    command = peer.Command(resume="yes", update={"n": 5, "log": ["me"]}, goto="other")
    out = peer.invoke(graph, command, PLACE)
    return sorted(map(str, out["log"])), out["n"], look(graph)["next"]


@same
def test_none_asks_again(peer: Peer) -> Observation:
    """Going on without an answer asks the same question under the same id."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
    graph = peer.compile(builder)
    peer.invoke(graph, {"log": []}, PLACE)
    first = peer.ids(graph, PLACE)
    return peer.invoke(graph, None, PLACE), peer.ids(graph, PLACE) == first


@same
def test_new_input_while_a_question_is_open(peer: Peer) -> Observation:
    """A new turn drops the question."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt(s["n"])]}).add_edge(START, "ask")
    graph = peer.compile(builder)
    peer.invoke(graph, {"n": 1, "log": []}, PLACE)
    return peer.invoke(graph, {"n": 2}, PLACE), peer.invoke(graph, peer.Command(resume="a"), PLACE), look(graph)


@same
def test_question_in_a_loop(peer: Peer) -> Observation:
    """A node that is run again by its graph asks anew each time."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt(len(s["log"]))]})
    builder.add_edge(START, "ask").add_conditional_edges("ask", lambda s: END if len(s["log"]) == 3 else "ask")
    graph = peer.compile(builder)
    seen = [peer.invoke(graph, {"log": []}, PLACE)]
    return [*seen, *(peer.invoke(graph, peer.Command(resume=f"a{n}"), PLACE) for n in range(3))]


def chain(peer: Peer) -> Any:
    builder = peer.StateGraph(State)
    names = "abc"
    for name in names:
        builder.add_node(name, lambda s, name=name: {"log": [name]})
    return builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c")


@same
def test_stop_before(peer: Peer) -> Observation:
    """A breakpoint before a node asks nothing; None goes on, and stops at the next one."""
    graph = peer.compile(chain(peer), interrupt_before=["b", "c"])
    parts = peer.stream(graph, {"log": []}, PLACE, stream_mode=["updates", "values"])
    first = look(graph)
    second = peer.stream(graph, None, PLACE, stream_mode=["updates", "values"])
    middle = look(graph)
    return parts, first, second, middle, peer.invoke(graph, None, PLACE), views(graph, PLACE)


@same
def test_stop_after(peer: Peer) -> Observation:
    """A breakpoint after a node shows what it wrote; after the last node there is nothing to stop."""
    graph = peer.compile(chain(peer), interrupt_after=["a", "c"])
    return peer.invoke(graph, {"log": []}, PLACE), look(graph), peer.invoke(graph, None, PLACE), look(graph)


@same
def test_stop_everywhere(peer: Peer) -> Observation:
    """`*` stops before every node."""
    graph = peer.compile(chain(peer), interrupt_before="*")
    seen = [peer.invoke(graph, {"log": []}, PLACE)]
    while look(graph)["next"]:
        seen += [look(graph)["next"], peer.invoke(graph, None, PLACE)]
    return seen


@same
def test_stop_given_with_the_call(peer: Peer) -> Observation:
    """A call's own breakpoints stand instead of the compiled ones."""
    graph = peer.compile(chain(peer), interrupt_before=["c"])
    first = peer.invoke(graph, {"log": []}, PLACE, interrupt_before=["b"])
    return first, look(graph)["next"], peer.invoke(graph, None, PLACE, interrupt_after=["b"]), look(graph)["next"]


@same
def test_stop_and_update(peer: Peer) -> Observation:
    """At a breakpoint the state can be changed; going on uses it."""
    graph = peer.compile(chain(peer), interrupt_before=["c"])
    peer.invoke(graph, {"log": []}, PLACE)
    graph.update_state(PLACE, {"log": ["me"]})
    return look(graph), peer.invoke(graph, None, PLACE)


@same
def test_stop_in_a_cycle(peer: Peer) -> Observation:
    """A breakpoint stops in every round."""
    builder = peer.StateGraph(State).add_node("inc", lambda s: {"n": s["n"] + 1}).add_edge(START, "inc")
    builder.add_conditional_edges("inc", lambda s: END if s["n"] == 3 else "inc")
    graph = peer.compile(builder, interrupt_before=["inc"])
    seen = [peer.invoke(graph, {"n": 0}, PLACE)["n"]]
    while look(graph)["next"]:
        seen.append(peer.invoke(graph, None, PLACE)["n"])
    return seen


@same
def test_question_behind_a_breakpoint(peer: Peer) -> Observation:
    """A node with a breakpoint before it may ask as well."""
    builder = peer.StateGraph(State).add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
    graph = peer.compile(builder, interrupt_before=["ask"])
    stopped = peer.invoke(graph, {"log": []}, PLACE)
    return stopped, peer.invoke(graph, None, PLACE), peer.invoke(graph, peer.Command(resume="yes"), PLACE)
