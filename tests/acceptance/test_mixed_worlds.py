"""Sync and async code call each other's graphs from inside nodes: every mixture ends, in one log.

Each mixture runs in a process of its own, so that one which waits for itself is a failure and not a hang.
"""

from pathlib import Path

import pytest

from tests.acceptance.programs import run_program

PROGRAM = """
import asyncio, operator, sys
from typing import Annotated, Any, TypedDict
from perdure import START, Command, StateGraph, interrupt
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver

class State(TypedDict, total=False):
    log: Annotated[list, operator.add]

def sync_leaf(state): return {"log": ["leaf"]}
async def async_leaf(state):
    await asyncio.sleep(0)
    return {"log": ["leaf"]}
def asking_leaf(state): return {"log": [interrupt("?")]}

def inner(*leaves):
    builder = StateGraph(State)
    for number, leaf in enumerate(leaves):
        builder.add_node(f"leaf{number}", leaf).add_edge(START, f"leaf{number}")
    return builder.compile()

def sync_calls(graph):
    def node(state): return {"log": graph.invoke({"log": []})["log"]}
    return node

def async_calls(graph):
    async def node(state): return {"log": (await graph.ainvoke({"log": []}))["log"]}
    return node

def async_calls_sync(graph):
    async def node(state): return {"log": graph.invoke({"log": []})["log"]}
    return node

def sync_calls_async(graph):
    def node(state): return {"log": asyncio.run(graph.ainvoke({"log": []}))["log"]}
    return node

def sync_streams(graph):
    def node(state):
        parts = list(graph.stream({"log": []}))
        return {"log": [word for part in parts for update in part.values() for word in update["log"]]}
    return node

def root(*nodes):
    builder = StateGraph(State)
    for number, node in enumerate(nodes):
        builder.add_node(f"node{number}", node).add_edge(START, f"node{number}")
    return builder.compile(saver)

PLACE = {"thread_id": "t"}

def run(graph, given, **options):
    if sys.argv[1] == "sync":
        return graph.invoke(given, PLACE, **options)
    return asyncio.run(asyncio.wait_for(graph.ainvoke(given, PLACE, **options), 20))

def show(graph, out):
    assert graph.thread("t").verify().ok
    kinds = [one.kind for one in graph.thread("t").events()]
    assert kinds.count("RunStarted") == kinds.count("RunFinished")
    print(out["log"])
"""

BOTH = ("sync", "async")
MIXTURES: list[tuple[str, tuple[str, ...], str, str]] = [
    ("sync in sync", BOTH, "root(sync_calls(inner(sync_leaf)))", "['leaf']"),
    ("sync in two sync nodes", BOTH, "root(*[sync_calls(inner(sync_leaf, sync_leaf))] * 3)", f"{['leaf'] * 6}"),
    ("three levels", BOTH, "root(sync_calls(inner(sync_calls(inner(sync_leaf)))))", "['leaf']"),
    ("streamed", BOTH, "root(sync_streams(inner(sync_leaf)))", "['leaf']"),
    ("async in async", ("async",), "root(async_calls(inner(async_leaf)))", "['leaf']"),
    (
        "async in two async nodes",
        ("async",),
        "root(*[async_calls(inner(async_leaf, async_leaf))] * 3)",
        f"{['leaf'] * 6}",
    ),
    ("sync leaf, async call", ("async",), "root(async_calls(inner(sync_leaf)))", "['leaf']"),
    ("sync call in an async node", ("async",), "root(async_calls_sync(inner(sync_leaf)))", "['leaf']"),
    (
        "sync call of two in an async node",
        ("async",),
        "root(async_calls_sync(inner(sync_leaf, sync_leaf)))",
        f"{['leaf'] * 2}",
    ),
    ("a loop of its own in a sync node", BOTH, "root(sync_calls_async(inner(async_leaf)))", "['leaf']"),
    (
        "loops of their own side by side",
        BOTH,
        "root(*[sync_calls_async(inner(async_leaf, sync_leaf))] * 2)",
        f"{['leaf'] * 4}",
    ),
    ("graph as node", BOTH, "root(inner(sync_leaf))", "['leaf']"),
]


SAVERS = 'for saver in (InMemorySaver(), SqliteSaver("log.db")):\n    '


@pytest.mark.parametrize(
    ("world", "graph", "printed"),
    [pytest.param(world, row[2], row[3], id=f"{row[0]}, {world}") for row in MIXTURES for world in row[1]],
)
def test_mixture(tmp_path: Path, world: str, graph: str, printed: str) -> None:
    """The leaves ran, each once; the log is whole."""
    code = f"{PROGRAM}\n{SAVERS}graph = {graph}; show(graph, run(graph, {{'log': []}}))"
    assert run_program(code, tmp_path, world) == f"{printed}\n" * 2


@pytest.mark.parametrize("durability", ["async", "exit"])
@pytest.mark.parametrize(
    ("world", "graph"),
    [
        ("sync", "root(*[sync_calls(inner(sync_leaf))] * 2)"),
        ("async", "root(*[sync_calls(inner(sync_leaf))] * 2)"),
        ("async", "root(*[async_calls(inner(async_leaf))] * 2)"),
        ("async", "root(*[async_calls_sync(inner(sync_leaf))] * 2)"),
        ("sync", "root(*[sync_calls_async(inner(async_leaf))] * 2)"),
    ],
)
def test_mixture_with_other_durabilities(tmp_path: Path, world: str, graph: str, durability: str) -> None:
    """The graphs inside write through their run's writer, however that one writes."""
    code = f"{PROGRAM}\n{SAVERS}graph = {graph}; show(graph, run(graph, {{'log': []}}, durability={durability!r}))"
    assert run_program(code, tmp_path, world) == f"{['leaf'] * 2}\n" * 2


@pytest.mark.parametrize(
    ("world", "calls"),
    [(world, calls) for world in BOTH for calls in ("sync_calls", "sync_calls_async")]
    + [("async", "async_calls"), ("async", "async_calls_sync")],
)
def test_question_through_a_mixture(tmp_path: Path, world: str, calls: str) -> None:
    """A question asked inside reaches the caller through every kind of call, and its answer the one who asked."""
    code = f"""{PROGRAM}
saver = SqliteSaver("log.db")
graph = root({calls}(inner(asking_leaf)))
print(run(graph, {{"log": []}})["__interrupt__"][0].value)
show(graph, run(graph, Command(resume="yes")))
"""
    assert run_program(code, tmp_path, world) == "?\n['yes']\n"
