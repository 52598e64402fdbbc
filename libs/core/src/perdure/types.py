"""The everyday types that node code and callers hold in their hands. Names and shapes are LangGraph's."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypedDict, TypeVar

from perdure.events import Durability, Value

__all__ = [
    "END",
    "START",
    "Command",
    "Durability",
    "Interrupt",
    "Overwrite",
    "PregelTask",
    "RetryPolicy",
    "RunnableConfig",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StreamMode",
    "StreamWriter",
    "interrupt",
]

START: Final = "__start__"
"""The virtual node that a run's input comes from."""
INPUT: Final = "__input__"
"""The node that an update speaks for when it stands for a run's input."""
END: Final = "__end__"
"""The virtual node that a finished path leads to."""

StreamMode: TypeAlias = Literal["values", "updates", "custom", "messages", "checkpoints", "tasks", "debug"]
StreamWriter: TypeAlias = Callable[[Any], None]
NodeT = TypeVar("NodeT", bound=Hashable)


class RunnableConfig(TypedDict, total=False):
    """How a run is addressed and bounded. `thread_id` and `checkpoint_id` may stand flat or under `configurable`."""

    thread_id: str
    checkpoint_id: str
    checkpoint_ns: str
    configurable: dict[str, Any]
    recursion_limit: int
    max_concurrency: int | None
    tags: list[str]
    metadata: dict[str, Any]
    run_id: Any
    run_name: str
    callbacks: Any


@dataclass(frozen=True, slots=True, unsafe_hash=False)
class Send:
    """Run `node` in the next superstep with an input of its own.

    Several sends to one node are several tasks; they run side by side.
    """

    node: str
    arg: Any
    timeout: float | None = None

    def __hash__(self) -> int:
        return hash((self.node, self.timeout))

    def __repr__(self) -> str:
        timeout = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{timeout})"


class NoAnswer:
    """The type of `NO_ANSWER`: `Command.resume` left out. (`None` is an answer.)"""

    def __repr__(self) -> str:
        return "NO_ANSWER"

    def __reduce__(self) -> str:
        return "NO_ANSWER"


NO_ANSWER: Final = NoAnswer()


@dataclass(frozen=True, slots=True)
class Command(Generic[NodeT]):
    """What a node returns to update the state and to choose where to go; or what a caller passes to answer and steer.

    Attributes:
        graph: None for this graph, `Command.PARENT` for the nearest enclosing one.
        update: Writes, in any form that a node may return.
        resume: An answer to the one open interrupt, or `{interrupt id: answer}`.
        goto: A node, a `Send`, or a sequence of both; in addition to static edges.
    """

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    graph: str | None = None
    update: Any = None
    resume: Any = NO_ANSWER
    goto: Send | Sequence[Send | NodeT] | NodeT = ()

    def __repr__(self) -> str:
        said = {"graph": self.graph, "update": self.update, "goto": self.goto or None}
        shown = [f"{name}={value!r}" for name, value in said.items() if value is not None]
        if self.resume is not NO_ANSWER:
            shown.append(f"resume={self.resume!r}")
        return f"Command({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Interrupt:
    """An open question: `value` is what the node shows the human, `id` names it in an answer."""

    value: Any
    id: str = ""
    response_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Write `value` past the channel's reducer. At most one per channel and superstep."""

    value: Any


class RetryPolicy(NamedTuple):
    """When and how often a failed attempt is tried again. Times are seconds.

    The pause before attempt n+1 is `min(max_interval, initial_interval * backoff_factor ** (n - 1))`, plus up to one
    second at random if `jitter`.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool] | None = None
    """None: everything but programming errors (see `perdure.engine.retry`)."""


class PregelTask(NamedTuple):
    """A task of a checkpoint's next superstep, with what is known of its outcome."""

    id: str
    name: str
    path: tuple[str | int | tuple[Any, ...], ...]
    error: Exception | str | None = None
    interrupts: tuple[Interrupt, ...] = ()
    state: "RunnableConfig | StateSnapshot | None" = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """The state of a thread at a checkpoint, and what comes next."""

    values: dict[str, Any] | Any
    next: tuple[str, ...]
    config: RunnableConfig
    metadata: dict[str, Any] | None
    created_at: str | None
    """ISO 8601, UTC."""
    parent_config: RunnableConfig | None
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt, ...] = ()


class StateUpdate(NamedTuple):
    """One update of a `bulk_update_state`."""

    values: Value
    as_node: str | None = None
    task_id: str | None = None


class Asking(Protocol):
    """The task whose code is running, as far as `interrupt` needs it."""

    def ask(self, value: Any) -> Any:
        """Return the answer, or unwind the task until there is one."""
        ...


CURRENT_TASK: Final[ContextVar[Asking]] = ContextVar("perdure_task")


def interrupt(value: Any) -> Any:
    """Pause the run and ask a human; return the answer.

    The node is run again from its first line when the answer is there, and this call then returns it. Several
    interrupts in one node are answered in the order in which they are asked. `None` is an answer like any other.

    Args:
        value: What to show; anything the codec can hold.

    Raises RuntimeError outside of a running node.

    Semantics: LangGraph's `interrupt`; the signal is a `BaseException`, so `except Exception` cannot swallow it.
    """
    try:
        task = CURRENT_TASK.get()
    except LookupError:
        raise RuntimeError("interrupt() can only be called inside a node of a running graph.") from None
    return task.ask(value)
