"""Small refusals: what is wrong in a call or a graph is said before anything is written, without a word of a value."""

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Command, Saver, Send, StateGraph, interrupt
from perdure.errors import GraphDefinitionError, InvalidUpdateError, UsageError
from perdure.types import StateUpdate, StreamWriter
from tests.acceptance.both_worlds import World
from tests.acceptance.untouched import untouched

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
SECRET = "sk-SECRET"


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def single(node: Any, name: str = "node") -> StateGraph:
    return StateGraph(State).add_node(name, node).add_edge(START, name)


def test_custom_chunks_of_a_sibling(saver: Saver) -> None:
    """Who reads a nested graph's stream gets that graph's chunks, not those of nodes beside the caller."""
    inside, told = threading.Event(), threading.Event()
    read: list[Any] = []

    def speak(state: State, writer: StreamWriter) -> State:
        inside.set()
        assert told.wait(20)
        writer("inner")
        return {}

    inner = single(speak).compile()

    def call(state: State) -> State:
        read.extend(inner.stream({"log": []}, stream_mode="custom", subgraphs=True))
        return {}

    def sibling(state: State, writer: StreamWriter) -> State:
        assert inside.wait(20)
        writer("sibling")
        told.set()
        return {}

    graph = single(call, "call").add_node("sibling", sibling).add_edge(START, "sibling").compile(saver)
    outer = list(graph.stream({"log": []}, PLACE, stream_mode="custom"))
    assert [chunk for _, chunk in read] == ["inner"]
    assert "sibling" in outer


async def test_two_updates_with_one_task_id(saver: Saver, world: World) -> None:
    """A task id names one update of a superstep."""
    graph = single(lambda state: {"log": [1]}).compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    twice = [StateUpdate({"log": [2]}, "node", "same"), StateUpdate({"log": [3]}, "node", "same")]
    with untouched(saver), pytest.raises(UsageError, match="task_id"):
        await world(graph, "bulk_update_state", PLACE, [twice])


async def test_an_update_in_a_namespace_that_is_none(saver: Saver, world: World) -> None:
    """No subgraph is open there, so there is nothing to update."""
    inner = single(lambda state: {"log": [interrupt("?")]}).compile()
    graph = single(inner, "inner").compile(saver)
    await world(graph, "invoke", {"log": []}, PLACE)
    for namespace in ("inner:made-up", "nobody:1"):
        place = {"thread_id": "t", "checkpoint_ns": namespace}
        with untouched(saver), pytest.raises(UsageError):
            await world(graph, "update_state", place, {"log": [9]}, as_node="node")


@pytest.mark.parametrize("given", [[("api_key", SECRET)], f"token={SECRET}", 7.5, {SECRET}], ids=type)
async def test_a_refused_input_is_not_repeated(saver: Saver, world: World, given: Any) -> None:
    """The message names types and keys; the value may be a secret."""
    graph = single(lambda state: {"log": [1]}).compile(saver)
    with untouched(saver), pytest.raises((UsageError, InvalidUpdateError)) as refused:
        await world(graph, "invoke", given, PLACE)
    assert SECRET not in str(refused.value)
    assert "7.5" not in str(refused.value)


CONFIGS: list[Any] = [
    {"thread_id": {"key": SECRET}},
    {"configurable": {"thread_id": [SECRET]}},
    {"configurable": SECRET},
    {"thread_id": "t", "checkpoint_id": [SECRET]},
    {"thread_id": "t", "recursion_limit": SECRET},
    {"thread_id": "t", "max_concurrency": SECRET},
    [("thread_id", SECRET)],
    SECRET,
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
async def test_a_refused_config_is_not_repeated(saver: Saver, world: World, config: Any) -> None:
    """The same for a config."""
    graph = single(lambda state: {"log": [1]}).compile(saver)
    with untouched(saver), pytest.raises(UsageError) as refused:
        await world(graph, "invoke", {"log": []}, config)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["__input__", "__copy__"])
def test_names_that_updates_use(name: str) -> None:
    """Updates speak as `__input__` and `__copy__`, so no node may."""
    with pytest.raises(GraphDefinitionError, match=name):
        StateGraph(State).add_node(name, lambda state: {})


async def test_a_send_with_a_timeout(saver: Saver, world: World) -> None:
    """A limit that is not kept is refused, not ignored."""
    builder = single(lambda state: Command(goto=[Send("work", {}, timeout=1.0)]), "send")
    graph = builder.add_node("work", lambda state: {"log": [1]}).compile(saver)
    with pytest.raises(InvalidUpdateError, match="timeout"):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert (await world(graph, "get_state", PLACE)).next == ("send",)
