"""One program, two libraries: `same` makes a test that runs a program on LangGraph and on perdure and compares.

A program gets a `Peer` and returns what it saw. What may differ is levelled: ids, times, and the class of an interrupt.
"""

import asyncio
import operator
import re
import warnings
from collections.abc import Callable
from itertools import groupby
from typing import Annotated, Any, TypeAlias, TypedDict

import perdure
from perdure import START
from perdure_memory import InMemorySaver

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import langgraph.checkpoint.memory
    import langgraph.graph
    import langgraph.types

Observation: TypeAlias = Any
TASK = re.compile(r":[0-9a-f]{8}[0-9a-f-]*")


class Peer:
    """A library, and the world in which its graphs are run."""

    def __init__(self, names: Any, saver: Callable[[], Any], world: str = "sync") -> None:
        self.StateGraph: Any = names.StateGraph
        self.Send: Any = names.Send
        self.Command: Any = names.Command
        self.interrupt: Any = names.interrupt
        self.Overwrite: Any = names.Overwrite
        self.RetryPolicy: Any = names.RetryPolicy
        self.StateUpdate: Any = names.StateUpdate
        self.saver = saver
        self.world = world

    def compile(self, builder: Any, **options: Any) -> Any:
        """Compile with a saver of its own."""
        return builder.compile(checkpointer=self.saver(), **options)

    def invoke(self, graph: Any, input: Any, config: Any = None, **options: Any) -> Any:
        """Invoke a graph in this peer's world; what it returns is levelled."""
        if self.world == "sync":
            return level(graph.invoke(input, config, **options))
        return level(asyncio.run(graph.ainvoke(input, config, **options)))

    def stream(self, graph: Any, input: Any, config: Any = None, **options: Any) -> list[Any]:
        """Return all parts, levelled."""
        if self.world == "sync":
            return in_any_order([level(part) for part in graph.stream(input, config, **options)])

        async def collect() -> list[Any]:
            return [level(part) async for part in graph.astream(input, config, **options)]

        return in_any_order(asyncio.run(collect()))

    def fails(self, graph: Any, input: Any, config: Any = None, **options: Any) -> tuple[str, str]:
        """Return the type and text of the error that invoking raises; "no error" when it raises none."""
        try:
            self.invoke(graph, input, config, **options)
        except Exception as error:  # noqa: BLE001 - any error is an observation
            return type(error).__name__, str(error)
        return "no error", ""

    def ids(self, graph: Any, config: Any) -> list[str]:
        """Return the ids of the open questions."""
        return [question.id for question in graph.get_state(config).interrupts]


LANGGRAPH = Peer(
    type("names", (), {**vars(langgraph.types), **vars(langgraph.graph)}), langgraph.checkpoint.memory.InMemorySaver
)
_NAMES = type("names", (), {**vars(perdure), "StateUpdate": perdure.types.StateUpdate})
PERDURE = Peer(_NAMES, InMemorySaver)
PERDURE_ASYNC = Peer(_NAMES, InMemorySaver, "async")


def in_any_order(parts: list[Any]) -> list[Any]:
    """Return parts with updates that follow each other sorted: nodes side by side end in any order."""
    runs = groupby(parts, lambda part: isinstance(part, tuple) and part[0] == "updates")
    return [part for is_update, run in runs for part in (sorted(run, key=repr) if is_update else run)]


def same(program: Callable[[Peer], Observation]) -> Callable[[], None]:
    """Return the test that a program sees the same on LangGraph and, in both worlds, on perdure."""

    def test() -> None:
        expected = program(LANGGRAPH)
        assert program(PERDURE) == expected
        assert program(PERDURE_ASYNC) == expected

    test.__doc__ = program.__doc__
    return test


def differs(program: Callable[[Peer], Observation], *, theirs: Observation, ours: Observation) -> None:
    """Assert what a program sees on LangGraph and what, in both worlds, on perdure."""
    assert program(LANGGRAPH) == theirs
    assert program(PERDURE) == ours
    assert program(PERDURE_ASYNC) == ours


class Log(TypedDict, total=False):
    """The state of `asking`."""

    log: Annotated[list[Any], operator.add]


def asking(peer: Peer, *names: str, ran: list[str] | None = None) -> Any:
    """Return a graph of nodes that ask side by side, and note that they run."""

    def node(name: str) -> Any:
        def ask(state: Log) -> Any:
            if ran is not None:
                ran.append(name)
            return {"log": [f"{name}={peer.interrupt(name)}"]}

        return ask

    builder = peer.StateGraph(Log)
    for name in names:
        builder.add_node(name, node(name)).add_edge(START, name)
    return peer.compile(builder)


def level(value: Any) -> Any:
    """Return a value without what may differ: task ids in namespaces, an interrupt's id, the libraries' own classes."""
    if type(value).__name__ in ("Interrupt", "Overwrite"):
        return (type(value).__name__, level(value.value))
    if isinstance(value, dict):
        return {key: level(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(level(one) for one in value)
    return TASK.sub(":id", value) if isinstance(value, str) else value


def view(snapshot: Any) -> dict[str, Any]:
    """Return what a state snapshot says, ids and times aside."""
    metadata = snapshot.metadata or {}
    return {
        "values": level(snapshot.values),
        "next": snapshot.next,
        "source": metadata.get("source"),
        "step": metadata.get("step"),
        "parents": sorted(map(level, metadata.get("parents", {}))),
        "has parent": snapshot.parent_config is not None,
        "tasks": [task(one) for one in snapshot.tasks],
        "interrupts": level(snapshot.interrupts),
    }


def task(one: Any) -> tuple[Any, ...]:
    """Return what a snapshot says of a task: name, kind, whether it failed, questions, inner state, result."""
    inner = one.state
    if inner is not None:
        inner = view(inner) if hasattr(inner, "values") and hasattr(inner, "next") else "config"
    return one.name, one.path[0], one.error is not None, level(one.interrupts), inner, level(one.result)


def views(graph: Any, config: Any, **options: Any) -> list[dict[str, Any]]:
    """Return a thread's history."""
    return [view(snapshot) for snapshot in graph.get_state_history(config, **options)]
