"""State changed in place: what is returned is recorded as it is, what is not is caught by `strict_state`, and a node
that returns more than it changed costs what it changed.
"""

import operator
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from perdure import START, CompiledGraph, StateGraph
from perdure.errors import MutatedStateError
from perdure.events import Kind
from perdure.ports import Saver
from perdure_memory import InMemorySaver

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    talk: list[Any]
    card: dict[str, Any]
    text: str
    steps: Annotated[list[str], operator.add]


def graph(node: Callable[[Any], Any], saver: Saver, **options: Any) -> CompiledGraph:
    """Return a graph of one node, with one before and one after it that write to another channel."""
    builder = StateGraph(State)
    builder.add_node("before", lambda state: {"steps": ["before"]})
    builder.add_node("node", node)
    builder.add_node("after", lambda state: {"steps": ["after"]})
    builder.add_edge(START, "before").add_edge("before", "node").add_edge("node", "after")
    return builder.compile(saver, **options)


# --- not returned -------------------------------------------------------------------------------------------

LEAVES = st.integers() | st.text(max_size=3) | st.booleans() | st.none()
KEYS = st.sampled_from(["text", "tags", "a", "not a name", ""])
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def descend(talk: list[Any], ways: Sequence[int]) -> tuple[Any, Any, str]:
    """Walk down from `$.talk`, by each number one of the ways there are; return where: (container, key, path)."""
    container: Any = talk
    path, key = "$.talk", None
    for way in ways:
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        key = keys[way % len(keys)]
        path += f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"
        if not isinstance(container[key], list | dict):
            break
        container = container[key]
    else:
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        key = keys[0]
        path += f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"
    return container, key, path


@given(talk=st.lists(NESTED, min_size=1, max_size=3), ways=st.lists(st.integers(0, 7), min_size=2, max_size=5))
@example(talk=[{"text": "a"}, {"text": "b"}], ways=[1, 0])
def test_strict_state_names_the_place_that_was_changed(talk: list[Any], ways: list[int]) -> None:
    """A nested value that a node changes and does not return is reported with its path, and the log stays as it was."""
    expected = deepcopy(talk)
    container, _, path = descend(deepcopy(talk), ways)
    assume(path.count("[") + path.count(".") > 2 and not isinstance(container, str))

    def node(state: Any) -> Any:
        inner, key, _ = descend(state["talk"], ways)
        inner[key] = "changed in place"
        return {"steps": ["node"]}

    with InMemorySaver() as saver:
        app = graph(node, saver, strict_state=True)
        with pytest.raises(MutatedStateError) as caught:
            app.invoke({"talk": talk}, CONFIG)
        assert path == caught.value.path
        assert path in str(caught.value)
        assert expected == graph(node, saver, warm=False).get_state(CONFIG).values["talk"]


@given(talk=st.lists(NESTED, min_size=1, max_size=3))
def test_a_task_may_damage_the_containers_it_is_given(talk: list[Any]) -> None:
    """A list or dict of the state that a node empties, and does not return, is as it was: warm, cold, and strictly."""

    def node(state: Any) -> Any:
        state["talk"].clear()
        state["card"].clear()
        state.clear()
        return {"steps": ["node"]}

    with InMemorySaver() as saver:
        app = graph(node, saver, strict_state=True)
        final = app.invoke({"talk": deepcopy(talk), "card": {"talk": deepcopy(talk)}}, CONFIG)
        assert (talk, {"talk": talk}) == (final["talk"], final["card"])
        assert final == graph(node, saver, warm=False).get_state(CONFIG).values


# --- returned -----------------------------------------------------------------------------------------------

EDITS = st.lists(
    st.tuples(st.sampled_from(["append", "insert", "drop", "replace", "inside", "reverse"]), st.integers(0, 9)),
    max_size=5,
)


def edit(talk: list[Any], edits: Sequence[tuple[str, int]]) -> None:
    """Change a conversation in place."""
    for how, number in edits:
        at = number % len(talk) if talk else 0
        match how:
            case "append":
                talk.append({"n": number})
            case "insert":
                talk.insert(at, {"n": number})
            case "drop" if talk:
                del talk[at]
            case "replace" if talk:
                talk[at] = {"n": number, "new": True}
            case "inside" if talk:
                talk[at].setdefault("seen", []).append(number)
            case "reverse":
                talk.reverse()
            case _:
                continue


@given(length=st.integers(0, 4), edits=EDITS, again=EDITS)
def test_a_list_changed_in_place_and_returned_is_recorded(
    length: int, edits: list[tuple[str, int]], again: list[tuple[str, int]]
) -> None:
    """The same object with other content is other content: what the log gives is what the node returned."""
    script = [edits, again]

    def node(state: Any) -> Any:
        edit(state["talk"], script[len(state["steps"]) // 3])
        return {"talk": state["talk"], "steps": ["node"]}

    expected = [{"n": number} for number in range(length)]
    with InMemorySaver() as saver:
        app = graph(node, saver, strict_state=True)
        for turn, edits_now in enumerate(script):
            given_now: Any = {"talk": deepcopy(expected)} if turn == 0 else {}
            edit(expected, edits_now)
            assert expected == app.invoke(given_now, CONFIG)["talk"]
            assert expected == graph(node, saver, warm=False).get_state(CONFIG).values["talk"]


# --- what it costs ------------------------------------------------------------------------------------------


def whole(state: Any) -> Any:
    """Return the whole state, each channel a little longer."""
    talk = [*state["talk"], {"said": "one more"}]
    return {"talk": talk, "card": {**state["card"], "more": 1}, "text": state["text"] + " and more"}


def untouched(state: Any) -> Any:
    """Return what was seen."""
    return {"talk": list(state["talk"]), "card": dict(state["card"]), "text": state["text"]}


def grown(state: Any) -> Any:
    """Grow the containers in place and return them."""
    state["talk"].append({"said": "one more"})
    state["card"]["more"] = 1
    return {"talk": state["talk"], "card": state["card"], "text": state["text"] + "."}


def inside(node: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the node as a graph that is handed the conversation, and hands it back."""
    inner = StateGraph(State, output_schema=Handed)
    inner.add_node("inner", node)
    inner.add_edge(START, "inner")
    return inner.compile()  # type: ignore[return-value]


class Handed(TypedDict, total=False):
    talk: list[Any]
    card: dict[str, Any]
    text: str


def bytes_after_input(node: Callable[[Any], Any], length: int) -> int:
    """Return the bytes of all payloads but the accepted input's, for a conversation of `length` messages."""
    with InMemorySaver() as saver:
        talk = [{"said": f"message {number}" * 5} for number in range(length)]
        given = {
            "talk": talk,
            "card": {f"key{number}": number for number in range(length)},
            "text": "text " * 5 * length,
        }
        graph(node, saver).invoke(given, CONFIG)
        records = saver.read("t", "main")
        assert records[-1].kind == Kind.RUN_FINISHED
        return sum(len(record.payload) for record in records if record.kind != Kind.RUN_STARTED)


@pytest.mark.parametrize(
    "node",
    [whole, untouched, grown, inside(whole), inside(untouched), inside(grown)],
    ids=["whole", "untouched", "grown", "whole inside", "untouched inside", "grown inside"],
)
def test_a_node_that_returns_the_whole_state_costs_what_it_changed(node: Callable[[Any], Any]) -> None:
    """After the input, a turn over a long conversation writes as many bytes as one over a short conversation."""
    short, long = bytes_after_input(node, 20), bytes_after_input(node, 2_000)
    assert abs(long - short) <= 32  # durations and counts may have more digits
