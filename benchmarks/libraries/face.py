"""What a workload may ask of a library, and how its savers are opened. A process imports one library and one saver.

Nothing here imports either: what a process has loaded is part of what is measured (memory, cold starts).
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Foreign: TypeAlias = Any
"""A builder, graph, saver or snapshot: two libraries' types that have nothing in common but their methods' names."""

LibraryName: TypeAlias = Literal["perdure", "langgraph"]
SaverKind: TypeAlias = Literal["none", "memory", "sqlite", "postgres"]
Api: TypeAlias = Literal["sync", "async"]
Durability: TypeAlias = Literal["sync", "async"]
DATABASES: Final[frozenset[SaverKind]] = frozenset({"sqlite", "postgres"})
"""Savers that store bytes which can be counted, and that another process can open."""


class Library(NamedTuple):
    """A library's words."""

    name: LibraryName
    state_graph: Callable[[type], Foreign]
    start: str
    end: str
    send: Callable[[str, Any], Foreign]
    command: Callable[..., Foreign]
    interrupt: Callable[[Any], Any]


class Opening(NamedTuple):
    """Where a saver stands and how it is opened."""

    where: str
    """A file's path, or the URL of a database; empty for memory."""
    connections: int = 1
    """How many threads or coroutines will use it at once."""
    new: bool = True
    """The schema is made first; otherwise it is there."""


class Savers(NamedTuple):
    """How a library's savers of one kind are opened, with the same guarantees as the other's.

    SQLite means: a file in WAL mode with `synchronous=FULL`. PostgreSQL means: what each library recommends.
    """

    open: Callable[[Opening], AbstractContextManager[Foreign]]
    open_async: Callable[[Opening], AbstractAsyncContextManager[Foreign]]


def library_of(name: LibraryName) -> Library:
    """Import a library."""
    library: Library = import_module(f"benchmarks.libraries.{name}.words").LIBRARY
    return library


def savers_of(name: LibraryName, kind: SaverKind) -> Savers:
    """Import a library's savers of one kind."""
    if kind == "none":
        return Savers(lambda _: nullcontext(), lambda _: nullcontext())
    savers: Savers = import_module(f"benchmarks.libraries.{name}.{kind}").SAVERS
    return savers
