"""Graphs whose disk fills up, or turns read-only, while they run; and a process that may write no larger files."""

import operator
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict

from perdure import START, CompiledGraph, Send, StateGraph
from perdure.errors import StoreUnavailableError
from perdure.ports import Saver
from perdure.types import Durability
from perdure_sqlite import SqliteSaver
from tests.acceptance.worlds import World, invoke

CONFIG: Final[Any] = {"thread_id": "writing"}
PAGES: Final = 12
FULL: Final = 240_000
"""Bytes into a file at which the disk is full: some pages of the book fit, not all twelve."""
TEXT: Final = "What does not fit is refused whole, and what was written before stays. " * 400


class Book(TypedDict):
    pages: Annotated[list[str], operator.add]


def page(number: int) -> str:
    return f"{number}: {TEXT}"


BOOK: Final = {"pages": [page(number) for number in range(PAGES)]}


def writing(saver: Saver, at: Callable[[int], object]) -> CompiledGraph:
    """Write twelve pages of 28 KB, one a step; `at` hears each number before its page is written."""

    def write(state: Book) -> dict[str, list[str]]:
        number = len(state["pages"])
        at(number)
        return {"pages": [page(number)]}

    builder = StateGraph(Book)
    builder.add_node("write", write)
    builder.add_edge(START, "write")
    builder.add_conditional_edges("write", lambda state: "write" if len(state["pages"]) < PAGES else "__end__")
    return builder.compile(saver)


def printing(saver: Saver, at: Callable[[int], object]) -> CompiledGraph:
    """Write the same pages side by side."""

    def write(number: int) -> dict[str, list[str]]:
        at(number)
        return {"pages": [page(number)]}

    builder = StateGraph(Book)
    builder.add_node("write", write)
    builder.add_conditional_edges(START, lambda _: [Send("write", number) for number in range(PAGES)], ["write"])
    return builder.compile(saver)


GRAPHS: Final = {"writing": writing, "printing": printing}


def given(graph: CompiledGraph) -> dict[str, list[str]] | None:
    """Return what to invoke the thread with: an input where the log has none, else nothing."""
    return {"pages": []} if graph.get_state(CONFIG).metadata is None else None


def limited(path: Path, name: str, world: World, durability: Durability, pipe: Connection) -> None:
    """Run into a limit of the size of files, which page 5 brings down; say so; when told to, lift it and go on."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def at(number: int) -> None:
        if number == 5:
            # The WAL has its usual size already; what counts is how far into it a write reaches.
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, resource.RLIM_INFINITY))

    with SqliteSaver(path) as saver:
        graph = GRAPHS[name](saver, at)
        try:
            invoke(graph, {"pages": []}, CONFIG, world, durability=durability)
        except StoreUnavailableError as error:
            pipe.send(str(error))
        if pipe.recv():
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            again = GRAPHS[name](saver, lambda _: None)
            pipe.send(invoke(again, given(again), CONFIG, world))
