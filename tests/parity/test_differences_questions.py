"""Where perdure's questions and answers differ on purpose: rows of docs/explanation/differences.md, seen on both."""

import operator
from typing import Annotated, Any, TypedDict

from perdure import START
from tests.parity.peers import Peer, asking, differs

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def test_partial_answers() -> None:
    """Of nodes that wait side by side, only those that were answered run again."""

    def program(peer: Peer) -> Any:
        ran: list[str] = []
        graph = asking(peer, "a", "b", ran=ran)
        peer.invoke(graph, {"log": []}, PLACE)
        first = next(one.id for one in graph.get_state(PLACE).interrupts if one.value == "a")
        ran.clear()
        peer.invoke(graph, peer.Command(resume={first: "1"}), PLACE)
        return sorted(ran), graph.get_state(PLACE).next

    differs(program, theirs=(["a", "b"], ("b",)), ours=(["a"], ("b",)))


def test_answered_but_not_all() -> None:
    """A node that was asked twice gets both answers from the log; LangGraph does too, by position."""

    def program(peer: Peer) -> Any:
        def ask(state: State) -> Any:
            return {"log": [peer.interrupt("x"), peer.interrupt("y")]}

        graph = peer.compile(peer.StateGraph(State).add_node("ask", ask).add_edge(START, "ask"))
        peer.invoke(graph, {"log": []}, PLACE)
        peer.invoke(graph, peer.Command(resume="1"), PLACE)
        stale = graph.get_state(PLACE).interrupts[0].id
        peer.invoke(graph, peer.Command(resume={stale: "2"}), PLACE)
        return peer.fails(graph, peer.Command(resume={stale: "3"}), PLACE)[0]

    differs(program, theirs="no error", ours="UnknownInterruptError")


def test_none_is_an_answer() -> None:
    """`Command(resume=None)` answers None."""

    def program(peer: Peer) -> Any:
        graph = asking(peer, "a")
        peer.invoke(graph, {"log": []}, PLACE)
        try:
            return peer.invoke(graph, peer.Command(resume=None), PLACE)["log"]
        except Exception as error:  # noqa: BLE001 - any error is an observation
            return type(error).__name__

    differs(program, theirs="UnboundLocalError", ours=["a=None"])


def test_except_exception_does_not_swallow_a_question() -> None:
    """A node that catches everything still pauses."""

    def program(peer: Peer) -> Any:
        def careful(state: State) -> Any:
            try:
                return {"log": [peer.interrupt("?")]}
            except Exception:  # noqa: BLE001 - what careful users write
                return {"log": ["swallowed"]}

        graph = peer.compile(peer.StateGraph(State).add_node("careful", careful).add_edge(START, "careful"))
        return peer.invoke(graph, {"log": []}, PLACE)

    differs(program, theirs={"log": ["swallowed"]}, ours={"log": [], "__interrupt__": [("Interrupt", "?")]})


def test_answer_without_a_question() -> None:
    """An answer that nobody waits for is refused; LangGraph starts or ends in silence."""

    def program(peer: Peer) -> Any:
        graph = asking(peer, "a")
        return peer.fails(graph, peer.Command(resume="x"), PLACE)[0]

    differs(program, theirs="no error", ours="NothingPendingError")


def test_interrupted_error_pauses() -> None:
    """The built-in InterruptedError is a pause: the next dict goes on from the node, it does not start anew."""

    def program(peer: Peer) -> Any:
        ran: list[str] = []

        def draft(state: State) -> None:
            ran.append("draft")

        def review(state: State) -> None:
            ran.append("review")
            if state["n"] == 0:
                raise InterruptedError("not yet")

        builder = peer.StateGraph(State).add_node("draft", draft).add_node("review", review)
        graph = peer.compile(builder.add_edge(START, "draft").add_edge("draft", "review"))
        peer.fails(graph, {"n": 0}, PLACE)
        peer.invoke(graph, {"n": 1}, PLACE)
        return ran

    differs(program, theirs=["draft", "review", "draft", "review"], ours=["draft", "review", "review"])


def test_finished_sisters_survive_a_new_input() -> None:
    """What had finished beside a question is not lost when a new turn drops the question."""

    def program(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("done", lambda s: {"log": ["done"]}).add_edge(START, "done")
        builder.add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge(START, "ask")
        graph = peer.compile(builder)
        peer.invoke(graph, {"log": []}, PLACE)
        return peer.invoke(graph, {"log": ["next"]}, PLACE)["log"]

    differs(program, theirs=["next", "done"], ours=["done", "next", "done"])


def test_open_questions_outlive_an_update() -> None:
    """An update that leads to the task that waits leaves it waiting, its question answerable under the same id."""

    def program(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("before", lambda s: {"log": ["before"]}).add_edge(START, "before")
        builder.add_node("ask", lambda s: {"log": [peer.interrupt("?")]}).add_edge("before", "ask")
        graph = peer.compile(builder)
        peer.invoke(graph, {"log": []}, PLACE)
        (id,) = peer.ids(graph, PLACE)
        graph.update_state(PLACE, {"n": 1}, as_node="before")
        return peer.ids(graph, PLACE) == [id], peer.invoke(graph, peer.Command(resume={id: "x"}), PLACE)

    again = {"log": ["before"], "n": 1, "__interrupt__": [("Interrupt", "?")]}
    differs(program, theirs=(False, again), ours=(True, {"log": ["before", "x"], "n": 1}))
