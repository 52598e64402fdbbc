"""States, schemas and updates mean what they mean on LangGraph."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from perdure import END, START
from tests.parity.peers import Observation, Peer, same, view, views

PLACE: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]


class Wide(State, total=False):
    secret: str


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class Whole(Question, Answer):
    pass


class Private(TypedDict):
    note: str


class Context(TypedDict):
    user: str


@dataclass
class Record:
    name: str = "?"
    log: Annotated[list[str], operator.add] = field(default_factory=list)


class Model(BaseModel):
    name: str
    count: int = 0
    log: Annotated[list[str], operator.add] = []


class Inner(BaseModel):
    x: int


class Nested(BaseModel):
    inner: Inner
    seen: str = ""


def one(peer: Peer, schema: Any, node: Any, given: Any, **schemas: Any) -> Observation:
    """Return a one-node graph's output, state and history."""
    builder = peer.StateGraph(schema, **schemas).add_node("node", node).add_edge(START, "node").add_edge("node", END)
    graph = peer.compile(builder)
    return peer.invoke(graph, given, PLACE), view(graph.get_state(PLACE)), views(graph, PLACE)


@same
def test_typed_dict(peer: Peer) -> Observation:
    """Plain keys are replaced, annotated ones reduced; missing keys are missing."""
    return one(peer, State, lambda state: {"n": len(state), "log": sorted(state)}, {"log": ["in"]})


@same
def test_dataclass(peer: Peer) -> Observation:
    """Nodes get an instance; the state outside is a dict."""

    def node(state: Record) -> Any:
        return {"log": [f"{type(state).__name__} {state.name}"]}

    return one(peer, Record, node, {"name": "ada"}), one(peer, Record, node, Record(name="bob", log=["x"]))


@same
def test_dataclass_returned(peer: Peer) -> Observation:
    """A node may return an instance of the state."""
    return one(peer, Record, lambda state: Record(name="new", log=["n"]), {"name": "ada"})


@same
def test_pydantic_model(peer: Peer) -> Observation:
    """Nodes get a validated model; defaults are its own; the state outside holds what was set."""

    def node(state: Model) -> Any:
        return {"count": state.count + 1, "log": [f"{type(state).__name__} {state.name}"]}

    return one(peer, Model, node, {"name": "ada"}), one(peer, Model, node, Model(name="bob", log=["x"]))


@same
def test_pydantic_model_coerces(peer: Peer) -> Observation:
    """What a node gets has the types that the model declares."""

    def node(state: Nested) -> Any:
        return {"seen": f"{type(state.inner).__name__} {state.inner.x!r}"}

    return one(peer, Nested, node, {"inner": {"x": "5"}})[0]["seen"]


@same
def test_pydantic_model_refuses(peer: Peer) -> Observation:
    """An input that is no such model never reaches the node."""
    builder = peer.StateGraph(Model).add_node("node", lambda state: {}).add_edge(START, "node")
    return peer.fails(peer.compile(builder), {"name": "ada", "count": "many"}, PLACE)[0]


@same
def test_pydantic_update_sets_what_was_set(peer: Peer) -> Observation:
    """A model that a node returns writes the fields that were given or differ from their default."""
    return one(peer, Model, lambda state: Model(name=state.name, count=0, log=["n"]), {"name": "ada", "count": 4})


@same
def test_state_of_one_value(peer: Peer) -> Observation:
    """A schema that is no collection of keys is a state of one value."""
    plain = one(peer, int, lambda state: state + 1, 1)
    reduced = one(peer, Annotated[list, operator.add], lambda state: [len(state)], ["a"])
    return plain, reduced


@same
def test_input_and_output_schemas(peer: Peer) -> Observation:
    """A run takes the input's keys and returns the output's; the state holds all."""

    def node(state: Question) -> Any:
        return {"answer": f"{sorted(state)}"}

    return one(peer, Whole, node, {"question": "?"}, input_schema=Question, output_schema=Answer)


@same
def test_private_keys(peer: Peer) -> Observation:
    """Nodes may pass keys on that the graph's own schema does not have."""

    def write(state: State) -> Private:
        return {"note": "psst"}

    def read(state: Private) -> Any:
        return {"log": [f"{sorted(state)} {state['note']}"]}

    builder = peer.StateGraph(State).add_node("write", write).add_node("read", read)
    graph = peer.compile(builder.add_edge(START, "write").add_edge("write", "read"))
    return peer.invoke(graph, {"log": []}, PLACE), view(graph.get_state(PLACE))["next"]


@same
def test_nodes_that_see_part(peer: Peer) -> Observation:
    """A node sees the keys that its parameter declares, or `input_schema` says."""

    def narrow(state: Question) -> Any:
        return {"answer": f"narrow {sorted(state)}"}

    builder = peer.StateGraph(Whole).add_node("narrow", narrow).add_edge(START, "narrow")
    builder.add_node("told", lambda s: {"answer": f"{s['answer']}, told {sorted(s)}"}, input_schema=Answer)
    graph = peer.compile(builder.add_edge("narrow", "told"))
    return peer.invoke(graph, {"question": "?", "answer": "!"}, PLACE)


@same
def test_overwrite(peer: Peer) -> Observation:
    """`Overwrite` replaces what a reducer would have combined, also beside other writes of the step."""
    alone = one(peer, State, lambda state: {"log": peer.Overwrite(["new"])}, {"log": ["old"]})
    builder = peer.StateGraph(State).add_edge(START, "a").add_edge(START, "b")
    builder.add_node("a", lambda s: {"log": ["a"]}).add_node("b", lambda s: {"log": peer.Overwrite(["b"])})
    builder.add_node("c", lambda s: {"log": ["c"]}).add_edge(["a", "b"], "c")
    beside = peer.invoke(peer.compile(builder), {"log": ["old"]}, PLACE)
    return alone, beside


def greater(one: float, other: float) -> float:
    """Return the greater one. (The built-in `max` does not tell its parameters, and LangGraph asks.)"""
    return max(one, other)


@same
def test_reducers_of_several_kinds(peer: Peer) -> Observation:
    """Sums, unions of dicts and sets, the greater of two; what a key has before the first write is its type's zero."""

    class Kinds(TypedDict, total=False):
        total: Annotated[int, operator.add]
        seen: Annotated[set[str], operator.or_]
        best: Annotated[float, greater]
        by_name: Annotated[dict[str, int], operator.or_]
        text: Annotated[str, operator.add]

    builder = peer.StateGraph(Kinds)
    for number, name in enumerate("abc"):
        update = {"total": number, "seen": {name}, "best": -number, "by_name": {name: number}, "text": name}
        builder.add_node(name, lambda state, update=update: update).add_edge(START, name)
    graph = peer.compile(builder)
    return peer.invoke(graph, {"total": 5, "text": "x"}, PLACE), peer.invoke(graph, {}, PLACE)


@same
def test_unknown_thread(peer: Peer) -> Observation:
    """A thread that does not exist shows an empty state."""
    builder = peer.StateGraph(State).add_node("node", lambda state: {}).add_edge(START, "node")
    graph = peer.compile(builder)
    return view(graph.get_state(PLACE)), views(graph, PLACE)


@same
def test_context(peer: Peer) -> Observation:
    """A run's context reaches nodes and routers by `runtime`, and is not stored."""

    def node(state: State, runtime: Any) -> Any:
        return {"log": [runtime.context["user"]]}

    builder = peer.StateGraph(State, context_schema=Context).add_node("node", node).add_edge(START, "node")
    graph = peer.compile(builder)
    return peer.invoke(graph, {"log": []}, PLACE, context={"user": "ada"}), sorted(graph.get_state(PLACE).values)


@same
def test_context_of_a_dataclass(peer: Peer) -> Observation:
    """A dict becomes what the schema says."""

    def node(state: State, runtime: Any) -> Any:
        return {"log": [type(runtime.context).__name__, runtime.context.name]}

    builder = peer.StateGraph(State, context_schema=Record).add_node("node", node).add_edge(START, "node")
    return peer.invoke(peer.compile(builder), {"log": []}, PLACE, context={"name": "ada"})


@same
def test_config_and_metadata(peer: Peer) -> Observation:
    """Nodes get the caller's config; plain metadata stands in the checkpoints."""

    def seen(config: Any) -> list[Any]:
        inner, said = config["configurable"], config["metadata"]
        return [inner["thread_id"], inner["user"], said["langgraph_node"], said["langgraph_step"], config["tags"]]

    builder = peer.StateGraph(State).add_node("node", lambda state, config: {"log": seen(config)})
    builder.add_edge(START, "node")
    graph = peer.compile(builder)
    place = {"configurable": {"thread_id": "t", "user": "ada"}, "tags": ["x"], "metadata": {"team": "blue"}}
    out = peer.invoke(graph, {"log": []}, place)
    return out, [snapshot.metadata["team"] for snapshot in graph.get_state_history(PLACE)]
