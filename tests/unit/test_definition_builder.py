"""A graph is written down, checked and frozen; every complaint says what to mend."""

import operator
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel

from perdure.definition.blueprint import Join
from perdure.definition.builder import GraphBuilder
from perdure.errors import GraphDefinitionError
from perdure.types import END, START, Command, RetryPolicy


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


class Narrow(TypedDict):
    x: int


class Private(TypedDict):
    note: str


class Question(BaseModel):
    x: int = 0


def node(state: State) -> State:
    return {"x": 1}


def narrow(state: Narrow) -> State:
    return {"x": 1}


def private(state: Private) -> State:
    return {"x": 1}


def commands(state: State) -> Command[Literal["a", "__end__"]] | None:
    return None


def choose(state: State) -> Literal["a", "b"]:
    return "a"


anywhere: Any = lambda state: "a"  # noqa: E731 -- code without annotations
anywhere.__name__ = "anywhere"


def picky(state: Question) -> str:
    return "a"


def built() -> GraphBuilder:
    return GraphBuilder(State).add_node("a", node).add_node("b", node).add_node("c", node)


def test_a_graph_is_frozen_with_all_it_says() -> None:
    """Edges by source, joins with their hidden channel, branches with what they see."""
    blueprint = (
        built()
        .add_edge(START, "b")
        .add_edge(START, "a")
        .add_edge(["b", "a"], "c")
        .add_edge(["a", "b"], END)
        .add_conditional_edges("c", choose)
        .set_finish_point("b")
        .blueprint(name="g", interrupt_before=["a"], interrupt_after="*")
    )
    join = Join(("a", "b"), "c")
    assert blueprint.edges == {START: ("b", "a"), "b": (END,)}
    assert blueprint.joins == (join,)
    assert join.key == "join:a+b:c"
    assert [branch.name for branch in blueprint.branches["c"]] == ["choose"]
    assert (blueprint.name, blueprint.interrupt_before, blueprint.interrupt_after) == ("g", frozenset({"a"}), "*")
    assert list(blueprint.nodes) == ["a", "b", "c"]
    assert list(blueprint.channels) == ["x", "log"]


def test_later_changes_do_not_reach_a_frozen_graph() -> None:
    """The blueprint is a copy."""
    builder = built().set_entry_point("a")
    blueprint = builder.blueprint()
    builder.add_node("later", private).add_edge("a", "later")
    assert builder.compiled
    assert "later" not in blueprint.nodes
    assert blueprint.edges == {START: ("a",)}
    assert "note" not in blueprint.channels


def test_nodes_are_named_by_their_code() -> None:
    """Functions by their name; in a sequence a pair gives one."""
    builder = GraphBuilder(State).add_node(node).add_sequence([narrow, ("other", node), private])
    assert list(builder.nodes) == ["node", "narrow", "other", "private"]
    assert builder.edges == {("narrow", "other"), ("other", "private")}


def test_a_str_enum_names_nodes_by_its_values() -> None:
    """In every place where a node is named."""

    class Name(str, Enum):  # noqa: UP042 -- what users have; StrEnum is easier
        FIRST = "first"
        SECOND = "second"

    builder = GraphBuilder(State).add_node(Name.FIRST, node).add_node(Name.SECOND, node).add_edge(START, Name.FIRST)
    builder.add_edge([Name.FIRST], Name.SECOND).add_conditional_edges(Name.SECOND, anywhere, {"x": Name.FIRST})
    blueprint = builder.blueprint()
    assert list(blueprint.nodes) == ["first", "second"]
    assert type(blueprint.edges[START][0]) is str
    assert blueprint.joins[0].key == "join:first:second"
    assert blueprint.branches["second"][0].ends == {"x": "first"}


def test_a_node_sees_what_its_parameter_says() -> None:
    """An annotation narrows the view; a private schema adds channels; an argument wins."""
    builder = GraphBuilder(State).add_node(node).add_node(narrow).add_node(private)
    builder.add_node("given", narrow, input_schema=Private).add_node("untyped", anywhere)
    seen = {name: spec.schema.keys for name, spec in builder.nodes.items()}
    assert seen == {
        "node": ("x", "log"),
        "narrow": ("x",),
        "private": ("note",),
        "given": ("note",),
        "untyped": ("x", "log"),
    }
    assert list(builder.channels) == ["x", "log", "note"]


def test_a_branch_sees_what_its_source_sees_or_what_it_says() -> None:
    """Code without an annotation also gets what the node just returned."""
    builder = GraphBuilder(State).add_node(narrow).add_edge(START, "narrow")
    builder.add_conditional_edges("narrow", anywhere).add_conditional_edges("narrow", picky)
    builder.add_conditional_edges(START, anywhere, ["narrow"])
    branches = builder.blueprint().branches
    plain, typed = branches["narrow"]
    assert (plain.schema.keys, plain.passthrough) == (("x",), True)
    assert (typed.schema.cls, typed.passthrough) == (Question, False)
    assert branches[START][0].schema.keys == ("x", "log")


def test_what_a_branch_may_return() -> None:
    """A mapping, a list, an annotation, or anything."""
    builder = built().set_conditional_entry_point(choose)
    builder.add_conditional_edges("a", lambda state: True, {True: "b", False: END})
    builder.add_conditional_edges("b", anywhere, ["a", END]).add_conditional_edges("c", anywhere)
    found = {source: branch.ends for source, (branch,) in builder.blueprint().branches.items()}
    assert found == {
        START: {"a": "a", "b": "b"},
        "a": {True: "b", False: END},
        "b": {"a": "a", END: END},
        "c": None,
    }
    assert list(builder.branches["a"]) == ["condition"]


def test_destinations_come_from_the_annotation_or_the_argument() -> None:
    """With labels, where a mapping gives them."""
    builder = GraphBuilder(State).add_node("a", commands).add_node("b", node, destinations={"a": "again"})
    builder.add_node("c", commands, destinations=("a", "b"))
    found = {name: spec.destinations for name, spec in builder.nodes.items()}
    assert found == {"a": {"a": "", END: ""}, "b": {"a": "again"}, "c": {"a": "", "b": ""}}


def test_policies_and_metadata_are_kept() -> None:
    """One policy or several."""
    one, two = RetryPolicy(max_attempts=2), RetryPolicy(max_attempts=5)
    builder = GraphBuilder(State).add_node("a", node, retry_policy=one, metadata={"team": "x"}, defer=True)
    builder.add_node("b", node, retry_policy=[one, two])
    assert (builder.nodes["a"].retry, builder.nodes["b"].retry) == ((one,), (one, two))
    assert (builder.nodes["a"].metadata, builder.nodes["a"].defer) == ({"team": "x"}, True)
    with pytest.raises(GraphDefinitionError, match="retry_policy of 'c' must be a RetryPolicy"):
        builder.add_node("c", node, retry_policy=[3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "There is a node 'a' already"),
        (START, "reserved"),
        (END, "reserved"),
        ("a|b", "must not"),
        ("a:b", "must not"),
        ("", "empty"),
    ],
)
def test_names_that_no_new_node_can_have(name: str, message: str) -> None:
    """Taken, reserved, or in the way of namespaces."""
    with pytest.raises(GraphDefinitionError, match=message):
        built().add_node(name, node)


def test_edges_that_are_wrong_by_themselves() -> None:
    """They are refused at once."""
    builder = built()
    with pytest.raises(GraphDefinitionError, match="END finishes"):
        builder.add_edge(END, "a")
    with pytest.raises(GraphDefinitionError, match="END finishes"):
        builder.add_conditional_edges(END, anywhere)
    with pytest.raises(GraphDefinitionError, match="START begins"):
        builder.add_edge("a", START)
    with pytest.raises(GraphDefinitionError, match="'d' does not yet"):
        builder.add_edge(["a", "d"], "b")
    with pytest.raises(GraphDefinitionError, match="'d' does not yet"):
        builder.add_edge(["a"], "d")
    with pytest.raises(GraphDefinitionError, match="has no start"):
        builder.add_edge([], "a")
    with pytest.raises(GraphDefinitionError, match="named by text; found int"):
        builder.add_edge("a", 3)  # type: ignore[arg-type]
    assert not builder.edges
    assert not builder.waiting_edges


def test_what_a_method_cannot_do_without() -> None:
    """Code for a node, a node for a sequence, a name for a second branch."""
    builder = built().add_conditional_edges("a", lambda state: "b")
    with pytest.raises(GraphDefinitionError, match="'d' has no code"):
        builder.add_node("d")
    with pytest.raises(GraphDefinitionError, match="at least one node"):
        builder.add_sequence([])
    with pytest.raises(GraphDefinitionError, match="already has a branch named 'condition'"):
        builder.add_conditional_edges("a", lambda state: "c")


def test_every_mistake_is_told_at_once() -> None:
    """Each on a line of its own, with a guess where a name is close."""
    builder = GraphBuilder(State).add_node("worker", node).add_node("boss", commands)
    builder.add_edge("worker", "bos").add_edge("nowhere", "worker").add_conditional_edges(
        "works", anywhere, ["boss", "d"]
    )
    with pytest.raises(GraphDefinitionError) as caught:
        builder.blueprint(interrupt_before=["wroker"], interrupt_after="zzz")
    assert str(caught.value).splitlines() == [
        "The graph has 8 mistakes:",
        "- Nothing leads from START into the graph. Add an entry: add_edge(START, 'worker').",
        "- The edge 'worker' -> 'bos' ends at an unknown node. Mend its name (did you mean 'boss'?).",
        "- The edge 'nowhere' -> 'worker' starts at an unknown node."
        " Add it: add_node('nowhere', ...). The graph has 'worker', 'boss'.",
        "- Conditional edges start at the unknown node 'works'. Mend its name (did you mean 'worker'?).",
        "- The branch 'anywhere' after 'works' ends at the unknown node 'd'."
        " Add it: add_node('d', ...). The graph has 'worker', 'boss'.",
        "- The node 'boss' declares the unknown destination 'a'."
        " Add it: add_node('a', ...). The graph has 'worker', 'boss'.",
        "- interrupt_before names the unknown node 'wroker'. Mend its name (did you mean 'worker'?).",
        "- interrupt_after names the unknown node 'zzz'. Add it: add_node('zzz', ...). The graph has 'worker', 'boss'.",
    ]
    assert not builder.compiled


def test_one_mistake_stands_alone() -> None:
    """An empty graph has no entry; a refused branch leaves none behind."""
    builder = GraphBuilder(State)
    with pytest.raises(GraphDefinitionError, match="takes no positional"):
        builder.set_conditional_entry_point(lambda: "a")
    with pytest.raises(GraphDefinitionError, match=r"^Nothing leads from START"):
        builder.validate()


def test_a_node_that_nothing_leads_to_is_no_mistake() -> None:
    """A command or a Send may."""
    assert built().set_entry_point("a").validate(["a"]).compiled


def test_joins_that_cannot_be_told_apart() -> None:
    """Their hidden channels would be one."""
    builder = GraphBuilder(State)
    for name in ("a", "b", "c", "a+b", "b+c"):
        builder.add_node(name, node)
    builder.add_edge(START, "a").add_edge(["a", "b+c"], "b").add_edge(["a+b", "c"], "b")
    with pytest.raises(GraphDefinitionError, match="cannot be told apart"):
        builder.blueprint()


@pytest.mark.parametrize("key", ["__start__", "__end__", "__interrupt__"])
def test_reserved_state_keys(key: str) -> None:
    """Results carry these."""
    builder = (
        GraphBuilder(type("Bad", (), {"__annotations__": {key: int}})).add_node("a", anywhere).set_entry_point("a")
    )
    with pytest.raises(GraphDefinitionError, match=f"{key!r} is reserved"):
        builder.blueprint()
