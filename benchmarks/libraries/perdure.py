"""perdure, as the workloads see it."""

from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

from benchmarks.libraries.face import Foreign, Library, SaverKind
from perdure import END, START, Saver, StateGraph
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver


def saver(kind: SaverKind, path: Path) -> Foreign:
    """Return a saver, or a context without one; both are sync and async context managers."""
    if kind == "none":
        return nullcontext()
    made: Saver = InMemorySaver() if kind == "memory" else SqliteSaver(path, synchronous="FULL")
    made.setup()
    return made


LIBRARY = Library("perdure", version("perdure"), StateGraph, START, END, saver, saver)
