"""Run a graph in one world or the other: for tests that are the same in both."""

import asyncio
from typing import Any, Literal, TypeAlias, Unpack

from perdure import CompiledGraph
from perdure.call import RunOptions
from perdure.types import RunnableConfig

World: TypeAlias = Literal["sync", "async"]
WORLDS: tuple[World, ...] = ("sync", "async")


def invoke(
    graph: CompiledGraph, input: Any, config: RunnableConfig, world: World, **options: Unpack[RunOptions]
) -> Any:
    """Invoke a graph, async in a loop of its own."""
    if world == "sync":
        return graph.invoke(input, config, **options)
    return asyncio.run(graph.ainvoke(input, config, **options))
