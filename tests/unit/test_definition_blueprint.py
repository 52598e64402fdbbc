"""What a frozen graph says of its schemas, of who may write what, and of its shape."""

import operator
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from perdure.channels import EphemeralValue, Topic
from perdure.definition.builder import GraphBuilder
from perdure.errors import GraphDefinitionError, InvalidUpdateError, UsageError
from perdure.managed import RemainingSteps, RemainingStepsManager
from perdure.types import START


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


class Narrow(TypedDict):
    x: int


class Private(TypedDict):
    note: str


class Brief(TypedDict):
    a: int
    b: Annotated[int, EphemeralValue]
    c: Annotated[list[int], Topic(int)]


def node(state: State) -> State:
    return {"x": 1}


def narrow(state: Narrow) -> State:
    return {"x": 1}


def private(state: Private) -> State:
    return {"x": 1}


anywhere: Any = lambda state: "a"  # noqa: E731 -- code without annotations
anywhere.__name__ = "anywhere"


def built() -> GraphBuilder:
    return GraphBuilder(State).add_node("a", node).add_node("b", node).add_node("c", node)


class Output(TypedDict):
    answer: str


class Reduced(TypedDict):
    x: Annotated[int, operator.add]


class Computed(TypedDict):
    x: int
    left: RemainingSteps


def test_input_and_output_may_be_schemas_of_their_own() -> None:
    """All their keys are channels of the state."""
    builder = GraphBuilder(State, input_schema=Narrow, output_schema=Output).add_node(node).set_entry_point("node")
    blueprint = builder.blueprint()
    assert [schema.keys for schema in (blueprint.state, blueprint.input, blueprint.output)] == [
        ("x", "log"),
        ("x",),
        ("answer",),
    ]
    assert list(blueprint.channels) == ["x", "log", "answer"]


def test_a_plain_key_may_be_declared_again() -> None:
    """The first declaration that says more is the one that counts."""
    assert type(GraphBuilder(Reduced).add_node(narrow).channels["x"]).__name__ == "BinaryOperatorAggregate"


def test_a_key_cannot_become_another_channel() -> None:
    """And what was refused leaves nothing behind."""
    builder = GraphBuilder(State)
    with pytest.raises(GraphDefinitionError, match="Channel 'x' already exists with a different type"):
        builder.add_node("a", node, input_schema=Reduced)
    assert type(builder.channels["x"]).__name__ == "LastValue"
    assert not builder.nodes


def test_computed_keys_are_for_nodes() -> None:
    """They are in no input and no output of their own."""
    with pytest.raises(GraphDefinitionError, match="input_schema Computed has the keys left"):
        GraphBuilder(State, input_schema=Computed)
    with pytest.raises(GraphDefinitionError, match="output_schema Computed"):
        GraphBuilder(State, output_schema=Computed)
    assert GraphBuilder(Computed).managed == {"left": RemainingStepsManager}


def test_who_may_write_what() -> None:
    """Nodes: every channel. Inputs: the input's keys, while the rest of the state is left out. Others are refused."""
    builder = GraphBuilder(Computed, input_schema=Output).add_node("a", anywhere).add_node(private).set_entry_point("a")
    blueprint = builder.blueprint()
    assert blueprint.node_writes.pairs({"note": "n", "x": 1, "left": 2}) == [("note", "n"), ("x", 1)]
    assert blueprint.input_writes.pairs({"answer": "n", "x": 1, "left": 2}) == [("answer", "n")]
    with pytest.raises(InvalidUpdateError, match=r"A node's update has the unknown key 'nte' \(did you mean 'note'"):
        blueprint.node_writes.pairs({"nte": 1})
    with pytest.raises(UsageError, match=r"The graph's input has the unknown key 'anwser' \(did you mean 'answer'"):
        blueprint.input_writes.pairs({"anwser": 1})
    lenient = builder.blueprint(unknown_keys="drop")
    assert lenient.node_writes.pairs({"nte": 1}) == lenient.input_writes.pairs({"anwser": 1}) == []


def test_what_the_engine_is_told_of_channels() -> None:
    """Which a step empties, and which writes are stored relative to what their channel holds."""
    blueprint = GraphBuilder(Brief).add_node("n", anywhere).set_entry_point("n").blueprint()
    assert (blueprint.clearing, blueprint.compared) == (("b", "c"), ("a",))


# --- the fingerprint ----------------------------------------------------------------------------------------

PROGRAM = """
from typing import TypedDict
from perdure.definition.builder import GraphBuilder
builder = GraphBuilder(TypedDict("State", {"x": int, "y": str}))
for name in "abc":
    builder.add_node(name, lambda state: None)
builder.add_edge("__start__", "a").add_edge(["a", "b"], "c")
builder.add_conditional_edges("a", lambda state: "b", {True: "b", None: "c", 3: "a"})
print(builder.blueprint().fingerprint)
"""


def fingerprint(change: Callable[[GraphBuilder], object] | None = None) -> str:
    builder = built().add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")
    if change is not None:
        change(builder)
    return builder.blueprint().fingerprint


def test_a_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    """It depends on no hash seed and no address."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    found = {
        subprocess.run(
            [sys.executable, str(program)],
            env={**path, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 16


def test_a_fingerprint_tells_shapes_apart_and_nothing_else() -> None:
    """The order of writing a graph down does not matter, nor does its code."""
    shapes = [
        fingerprint(),
        fingerprint(lambda builder: builder.add_edge("c", "a")),
        fingerprint(lambda builder: builder.add_node("d", node)),
        fingerprint(lambda builder: builder.add_node("d", node, defer=True)),
        fingerprint(lambda builder: builder.add_conditional_edges("c", anywhere)),
        fingerprint(lambda builder: builder.add_conditional_edges("c", anywhere, ["a"])),
        fingerprint(lambda builder: builder.add_edge(["a", "c"], "b")),
        fingerprint(lambda builder: builder.add_node("d", private)),
    ]
    assert len(set(shapes)) == len(shapes)
    other = GraphBuilder(State).add_node("c", anywhere).add_node("b", narrow).add_node("a", node)
    other.add_edge(["b", "a"], "c").add_edge(START, "b").add_edge(START, "a")
    assert other.blueprint(name="other").fingerprint == fingerprint()


def test_answers_of_a_branch_count_by_value_or_type() -> None:
    """What has no stable text counts by its type."""

    class Color(Enum):
        RED = 1
        BLUE = 2

    def with_answer(answer: Any) -> str:
        return fingerprint(lambda builder: builder.add_conditional_edges("c", anywhere, {answer: "a"}))

    assert len({with_answer(answer) for answer in (True, 1, "1", None, Color.RED, Color.BLUE, object())}) == 7
    assert with_answer(object()) == with_answer(object())
