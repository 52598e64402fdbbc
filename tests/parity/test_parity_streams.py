"""Streams: the parts of the modes `values`, `updates` and `custom`, alone, in lists, and at every turn of a thread."""

import operator
from typing import Annotated, Any, TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, same

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


class Out(TypedDict, total=False):
    n: int


def chain(peer: Peer, **schemas: Any) -> Any:
    builder = peer.StateGraph(State, **schemas)
    builder.add_node("a", lambda s: {"log": ["a"]}).add_node("b", lambda s: None).add_node("c", lambda s: {"n": 3})
    return builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c")


@same
def test_each_mode(peer: Peer) -> Observation:
    """Alone: the data; in a list: (mode, data)."""
    return [
        peer.stream(peer.compile(chain(peer)), {"log": ["in"]}, PLACE, stream_mode=mode)
        for mode in ("values", "updates", "custom", ["values"], ["updates", "values"], ["values", "updates", "custom"])
    ]


@same
def test_default_is_updates(peer: Peer) -> Observation:
    """Nothing said: what each node wrote."""
    return peer.stream(peer.compile(chain(peer)), {"log": ["in"]}, PLACE)


@same
def test_without_a_saver(peer: Peer) -> Observation:
    """A graph that keeps nothing streams the same."""
    graph = chain(peer).compile()
    return peer.stream(graph, {"log": ["in"]}, stream_mode=["updates", "values"]), peer.invoke(graph, {"log": []})


@same
def test_output_schema(peer: Peer) -> Observation:
    """What a run returns has the output's keys; what it streams, too."""
    graph = peer.compile(chain(peer, output_schema=Out))
    return peer.stream(graph, {"log": ["in"]}, PLACE, stream_mode=["updates", "values"]), peer.invoke(graph, {}, PLACE)


@same
def test_output_keys(peer: Peer) -> Observation:
    """A call may ask for some keys, or one."""
    graph = peer.compile(chain(peer))
    return peer.invoke(graph, {"log": ["in"]}, PLACE, output_keys=["n"]), peer.invoke(graph, {}, PLACE, output_keys="n")


@same
def test_invoke_in_another_mode(peer: Peer) -> Observation:
    """`invoke` with a mode other than values returns the list of parts."""
    graph = peer.compile(chain(peer))
    return peer.invoke(graph, {"log": []}, PLACE, stream_mode="updates"), peer.invoke(
        graph, {}, PLACE, stream_mode=["updates", "values"]
    )


@same
def test_custom(peer: Peer) -> Observation:
    """A node's own parts come before its update."""

    def talk(state: State, writer: Any) -> Any:
        writer("hello")
        writer({"progress": 0.5})
        return {"n": 1}

    talk.__annotations__.clear()
    builder = peer.StateGraph(State).add_node("talk", talk).add_edge(START, "talk")
    return [
        peer.stream(peer.compile(builder), {"log": []}, PLACE, stream_mode=mode)
        for mode in ("custom", ["custom", "updates"], "updates")
    ]


@same
def test_custom_from_inside(peer: Peer) -> Observation:
    """Parts of graphs inside come with their path, and only when asked for."""

    def talk(state: Any, writer: Any) -> Any:
        writer("inside")
        return {"n": 1}

    talk.__annotations__.clear()
    sub = peer.StateGraph(State).add_node("talk", talk).add_edge(START, "talk").compile()
    graph = peer.StateGraph(State).add_node("sub", sub).add_edge(START, "sub").compile()
    return [peer.stream(graph, {"log": []}, stream_mode="custom", subgraphs=inside) for inside in (False, True)]


@same
def test_several_writes_of_one_node(peer: Peer) -> Observation:
    """A node that writes a key more than once shows a list of its updates."""
    builder = peer.StateGraph(State).add_node(
        "many", lambda s: [{"log": ["1"]}, peer.Command(update={"log": ["2"], "n": 5}), {"log": ["3"]}]
    )
    return peer.stream(peer.compile(builder.add_edge(START, "many")), {"log": []}, PLACE)


@same
def test_sends(peer: Peer) -> Observation:
    """Each task of a fan-out is a part of its own; the values follow once."""
    builder = peer.StateGraph(State).add_node("work", lambda item: {"log": [item]})
    builder.add_conditional_edges(START, lambda s: [peer.Send("work", n) for n in range(3)])
    graph = peer.compile(builder)
    config = {**PLACE, "max_concurrency": 1}
    parts = peer.stream(graph, {"log": []}, config, stream_mode=["updates", "values"])
    return sorted(map(str, parts))


@same
def test_second_turn(peer: Peer) -> Observation:
    """Values begin with the state that the new input leads to."""
    graph = peer.compile(chain(peer))
    peer.invoke(graph, {"log": ["one"]}, PLACE)
    return peer.stream(graph, {"log": ["two"]}, PLACE, stream_mode=["updates", "values"])


@same
def test_nothing_left_to_run(peer: Peer) -> Observation:
    """None on a finished thread streams its state, and no update."""
    graph = peer.compile(chain(peer))
    peer.invoke(graph, {"log": ["one"]}, PLACE)
    return [peer.stream(graph, None, PLACE, stream_mode=mode) for mode in ("values", "updates")]


@same
def test_failure(peer: Peer) -> Observation:
    """Parts up to the failure reach the reader, then the error."""

    def fail(state: State) -> Any:
        raise ConnectionError("down")

    builder = chain(peer).add_node("fail", fail).add_edge("c", "fail")
    graph = peer.compile(builder)
    stream = graph.stream({"log": ["in"]}, PLACE, stream_mode=["updates", "values"])
    parts = [next(stream) for _ in range(6)]
    try:
        return parts, next(stream)
    except ConnectionError as error:
        return parts, str(error)


@same
def test_resumed_after_a_failure(peer: Peer) -> Observation:
    """What had finished beside the failure is shown once more, as not run now."""
    broken = [True]

    def flaky(state: State) -> Any:
        if broken.pop() if broken else False:
            raise ConnectionError("down")
        return {"log": ["flaky"]}

    builder = peer.StateGraph(State).add_node("a_fine", lambda s: {"log": ["fine"]}).add_node("flaky", flaky)
    graph = peer.compile(builder.add_edge(START, "a_fine").add_edge(START, "flaky"))
    peer.fails(graph, {"log": []}, {**PLACE, "max_concurrency": 1})
    return sorted(map(str, peer.stream(graph, None, PLACE, stream_mode=["updates", "values"])))


@same
def test_state_of_one_value(peer: Peer) -> Observation:
    """The parts are the value itself."""
    builder = peer.StateGraph(int).add_node("inc", lambda n: n + 1).add_edge(START, "inc")
    builder.add_conditional_edges("inc", lambda n: END if n > 2 else "inc")
    return [peer.stream(peer.compile(builder), 0, PLACE, stream_mode=mode) for mode in ("values", "updates")]
