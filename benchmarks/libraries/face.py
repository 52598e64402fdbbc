"""What a workload may ask of a library. A child process imports one library only, so nothing here imports either."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

Foreign: TypeAlias = Any
"""A builder, graph or saver: two libraries' types that have nothing in common but their methods' names."""

SaverKind: TypeAlias = Literal["none", "memory", "sqlite"]
Api: TypeAlias = Literal["sync", "async"]


class Library(NamedTuple):
    """A library: its words, and how its savers are opened with the same guarantees.

    SQLite means: a file in WAL mode with `synchronous=FULL`, its schema made before anything is measured.
    """

    name: str
    version: str
    state_graph: Callable[[type], Foreign]
    start: str
    end: str
    open_saver: Callable[[SaverKind, Path], AbstractContextManager[Foreign]]
    open_async_saver: Callable[[SaverKind, Path], AbstractAsyncContextManager[Foreign]]
