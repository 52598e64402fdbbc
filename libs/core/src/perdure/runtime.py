"""`Runtime`: what a run lends to the nodes that ask for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

ContextT = TypeVar("ContextT")


def _ignore(_: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Where in the log a node runs."""

    thread_id: str | None
    run_id: str
    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    node_attempt: int = 1


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ContextT]):
    """A node parameter annotated `runtime: Runtime[MyContext]` gets one.

    Attributes:
        context: What the caller passed as `context=`; never stored.
        store: The store that the graph was compiled with.
        stream_writer: Sends a value to the `custom` stream.
        previous: The value that the thread's run before returned (entrypoints).
        execution_info: Where in the log this node runs.
    """

    context: ContextT = None  # type: ignore[assignment]
    store: Any = None
    stream_writer: Callable[[Any], None] = field(default=_ignore)
    previous: Any = None
    execution_info: ExecutionInfo | None = None
