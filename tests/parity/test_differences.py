"""Where perdure differs on purpose: rows of docs/explanation/differences.md, seen on both libraries."""

import operator
import time
from threading import Thread
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import LANGGRAPH, PERDURE, PERDURE_ASYNC, Peer, asking, differs

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


def test_limit_counts_supersteps() -> None:
    """A run of five supersteps needs a limit of five."""

    def program(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("inc", lambda s: {"n": s["n"] + 1}).add_edge(START, "inc")
        builder.add_conditional_edges("inc", lambda s: END if s["n"] == 5 else "inc")
        return peer.fails(peer.compile(builder), {"n": 0}, {**PLACE, "recursion_limit": 5})[0]

    differs(program, theirs="GraphRecursionError", ours="no error")


def test_unknown_keys_are_refused() -> None:
    """A misspelt key of an update, or of an input, is an error, not lost."""

    def update(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("a", lambda s: {"lgo": ["x"]}).add_edge(START, "a")
        return peer.fails(peer.compile(builder), {"log": []}, PLACE)[0]

    def given(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("a", lambda s: {}).add_edge(START, "a")
        return peer.fails(peer.compile(builder), {"log": [], "lgo": ["x"]}, PLACE)[0]

    differs(update, theirs="no error", ours="InvalidUpdateError")
    differs(given, theirs="no error", ours="UsageError")


def test_unknown_destinations_are_refused() -> None:
    """A command to a node that does not exist fails the step that gave it."""

    def program(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("a", lambda s: peer.Command(goto="nowhere")).add_edge(START, "a")
        return peer.fails(peer.compile(builder), {"log": []}, PLACE)[0]

    differs(program, theirs="no error", ours="UnknownNodeError")


def test_failed_router_does_not_run_its_node_again() -> None:
    """What a node returned is recorded also when the router after it fails."""

    def program(peer: Peer) -> Any:
        ran: list[str] = []
        ends = iter([ConnectionError("down"), END])

        def route(state: State) -> Any:
            end = next(ends)
            if isinstance(end, Exception):
                raise end
            return end

        builder = peer.StateGraph(State).add_node("a", lambda s: ran.append("a")).add_edge(START, "a")
        graph = peer.compile(builder.add_conditional_edges("a", route))
        peer.fails(graph, {"log": []}, PLACE)
        peer.invoke(graph, None, PLACE)
        return ran

    differs(program, theirs=["a", "a"], ours=["a"])


def test_unknown_checkpoint_is_an_error() -> None:
    """An id that the thread does not have is refused; LangGraph starts from nothing."""

    def program(peer: Peer) -> Any:
        graph = asking(peer, "a")
        place = {"configurable": {"thread_id": "t", "checkpoint_id": "1ef4f797-8335-6428-8001-8a1503f9b875"}}
        return peer.fails(graph, {"log": []}, place)[0]

    differs(program, theirs="no error", ours="UnknownCheckpointError")


def test_result_of_a_sister_is_durable_before_the_failure_is_reported() -> None:
    """When a run fails, what had finished beside the failure is in the log (LangGraph: may still be on its way)."""

    def program(peer: Peer) -> Any:
        def fail(state: State) -> Any:
            time.sleep(0.05)
            raise ConnectionError("down")

        builder = peer.StateGraph(State).add_node("fine", lambda s: {"log": ["fine"]}).add_node("fail", fail)
        graph = peer.compile(builder.add_edge(START, "fine").add_edge(START, "fail"))
        peer.fails(graph, {"log": []}, PLACE)
        return graph.get_state(PLACE).next, graph.get_state(PLACE).values

    assert program(PERDURE) == program(PERDURE_ASYNC) == (("fail",), {"log": ["fine"]})


def test_replay_of_the_end_writes_nothing() -> None:
    """Where nothing is left to run, going on from a checkpoint adds none."""

    def program(peer: Peer) -> Any:
        graph = peer.compile(peer.StateGraph(State).add_node("a", lambda s: {"n": 1}).add_edge(START, "a"))
        peer.invoke(graph, {"n": 0}, PLACE)
        before = len(list(graph.get_state_history(PLACE)))
        peer.invoke(graph, None, graph.get_state(PLACE).config)
        return len(list(graph.get_state_history(PLACE))) - before

    differs(program, theirs=1, ours=0)


def test_value_that_cannot_be_stored_is_found_where_it_stands() -> None:
    """The step that wrote it fails, and the error says where in the state it stands."""

    def program(peer: Peer) -> Any:
        builder = peer.StateGraph(State).add_node("a", lambda s: {"log": [{"image": object()}]}).add_edge(START, "a")
        builder.add_node("b", lambda s: {"log": ["b"]}).add_edge("a", "b")
        error, text = peer.fails(peer.compile(builder), {"log": []}, PLACE)
        return error, "log[0].image" in text

    differs(program, theirs=("TypeError", False), ours=("EncodeError", True))


def test_deleted_thread_stays_deleted() -> None:
    """A late run does not bring a deleted thread back."""

    def program(peer: Peer) -> Any:
        graph = asking(peer, "a")
        peer.invoke(graph, {"log": []}, PLACE)
        graph.checkpointer.delete_thread("t")
        return peer.fails(graph, {"log": []}, PLACE)[0]

    differs(program, theirs="no error", ours="ThreadDeletedError")


def test_one_of_two_writers_wins() -> None:
    """A run that another writer overtakes is told; LangGraph's succeeds, and the other's write is gone."""

    def program(peer: Peer) -> Any:
        saver = peer.saver()
        other = peer.StateGraph(State).add_node("a", lambda s: {}).add_edge(START, "a").compile(checkpointer=saver)

        def slow(state: State) -> Any:
            meddling = Thread(target=other.update_state, args=(PLACE, {"log": ["other"]}, "a"))
            meddling.start()
            meddling.join()
            return {"log": ["mine"]}

        graph = peer.StateGraph(State).add_node("a", slow).add_edge(START, "a").compile(checkpointer=saver)
        return peer.fails(graph, {"log": []}, PLACE)[0], graph.get_state(PLACE).values["log"]

    differs(program, theirs=("no error", ["mine"]), ours=("StaleWriterError", ["other"]))


def test_steps_are_durable_by_default() -> None:
    """When a node runs, the step before it is in the store; LangGraph's default writes behind the run's back."""

    def program(peer: Peer) -> Any:
        saver, seen = Slow(peer.saver()), []
        builder = peer.StateGraph(State).add_node("a", lambda s: {"n": 1}).add_edge(START, "a")
        builder.add_node("b", lambda s: seen.append(saver.written)).add_edge("a", "b")
        graph = builder.compile(checkpointer=saver.inner)
        peer.invoke(graph, {"n": 0}, PLACE)
        return seen

    assert program(LANGGRAPH)[0] < 3
    assert program(PERDURE)[0] == program(PERDURE_ASYNC)[0] == 3


class Slow:
    """Makes a saver's writes slow, and counts the checkpoints that are written."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.written = 0
        name = "put" if hasattr(inner, "put") else "append"
        write = getattr(inner, name)

        def slowly(*subject: Any, **options: Any) -> Any:
            time.sleep(0.05)
            result = write(*subject, **options)
            records = options.get("records")
            self.written += 1 if records is None else sum(one.kind == "StepCommitted" for one in records)
            return result

        setattr(inner, name, slowly)
