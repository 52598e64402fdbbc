"""Two drivers for scripts: what a script asks for is done with the sync or with the async API of a compiled graph."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, assert_never

from benchmarks.libraries.face import Api, Durability, Foreign, Library, SaverKind
from benchmarks.workloads.requests import Figures, Fresh, History, Invoke, Look, Many, Request, Resume, Script, Told

AT_ONCE: Final[dict[Api, int]] = {"sync": 4, "async": 16}
"""OS threads, or coroutines, that make many calls."""


class Stage(NamedTuple):
    """What it takes to do what a script asks for."""

    graph: Foreign
    library: Library
    options: dict[str, Any]
    fresh: Callable[[Fresh], Told]

    def resume(self, answer: str) -> Foreign:
        """Return an answer as the library wants it."""
        return self.library.command(resume=answer)


def options_of(saver: SaverKind, durability: Durability) -> dict[str, Any]:
    """Return what is said with each call. (Without a saver there is nothing to say.)"""
    return {} if saver == "none" else {"durability": durability}


def play(script: Script, do: Callable[[Any], Any]) -> Figures:
    """Drive a script, sync."""
    request = next(script)
    while True:
        result = do(request)
        try:
            request = script.send(result)
        except StopIteration as stop:
            figures: Figures = stop.value
            return figures


async def play_async(script: Script, do: Callable[[Any], Awaitable[Any]]) -> Figures:
    """Drive a script, async."""
    request = next(script)
    while True:
        result = await do(request)
        try:
            request = script.send(result)
        except StopIteration as stop:
            figures: Figures = stop.value
            return figures


def do(stage: Stage, request: Request) -> Any:
    """Do what a script asks for, sync."""
    graph, options = stage.graph, stage.options
    match request:
        case Invoke(input, config):
            return graph.invoke(input, config, **options)
        case Resume(answer, config):
            return graph.invoke(stage.resume(answer), config, **options)
        case Look(config):
            return graph.get_state(config)
        case History(config, limit, see):
            return [see(one) for one in graph.get_state_history(config, limit=limit)]
        case Many(calls):
            with ThreadPoolExecutor(AT_ONCE["sync"]) as pool:
                return list(pool.map(lambda call: attempt(stage, call), calls))
        case Fresh():
            return stage.fresh(request)
    assert_never(request)


async def do_async(stage: Stage, request: Request) -> Any:
    """Do what a script asks for, async."""
    graph, options = stage.graph, stage.options
    match request:
        case Invoke(input, config):
            return await graph.ainvoke(input, config, **options)
        case Resume(answer, config):
            return await graph.ainvoke(stage.resume(answer), config, **options)
        case Look(config):
            return await graph.aget_state(config)
        case History(config, limit, see):
            return [see(one) async for one in graph.aget_state_history(config, limit=limit)]
        case Many(calls):
            results: list[Any] = [None] * len(calls)
            waiting = iter(enumerate(calls))
            await asyncio.gather(*(work(stage, waiting, results) for _ in range(AT_ONCE["async"])))
            return results
        case Fresh():
            return stage.fresh(request)
    assert_never(request)


def attempt(stage: Stage, call: Invoke) -> Any:
    """Make one call of many; return what it raises."""
    try:
        return do(stage, call)
    except Exception as exc:  # noqa: BLE001  (it is counted)
        return exc


async def work(stage: Stage, waiting: Iterator[tuple[int, Invoke]], results: list[Any]) -> None:
    """Make calls of many, one after the other, until none waits."""
    for number, call in waiting:
        try:
            results[number] = await do_async(stage, call)
        except Exception as exc:  # noqa: BLE001  (it is counted)
            results[number] = exc
