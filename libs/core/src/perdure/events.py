"""The facts a thread's log is made of: one closed union, consumed with `match` and `assert_never`.

Here: the events (past tense, frozen) and `Record`, an event as it is stored: envelope plus payload bytes.
Not here: how they become bytes (`codec`), what they add up to (`rules.project`), who may append them (`ports`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

Value: TypeAlias = Any
"""A user's value: anything the codec can hold. The only place where `Any` is meant."""


# --- what a task wrote, and what the state became -----------------------------------------------------------


How: TypeAlias = Literal["value", "same", "extend", "merge", "parent", "input"]
"""How a write's operand reads: the value itself · the channel's own value, unchanged · that value extended by the
operand (list or text) · that value with the operand's keys set (dict) · the enclosing graph's value of the channel
named by the operand · the run's accepted input at index `operand`."""


@dataclass(frozen=True, slots=True)
class Write:
    """One channel written by a task, stored relative to the value that the channel had."""

    channel: str
    operand: Value
    how: How = "value"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a task sent the run: to a node, or (`send`) to a node with an input of its own."""

    node: str
    send: bool = False
    arg: Value = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A recorded write: number `index` of the task (or update) `task_id`."""

    task_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Literally:
    """A value that stands nowhere else in the log, because a reducer computed it."""

    value: Value


Operand: TypeAlias = Ref | Literally


@dataclass(frozen=True, slots=True)
class Set:
    """The channel became the operand."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Append:
    """The channel (a list) grew by the operands' items, in this order."""

    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """The channel (a dict) took the operand's keys, and lost `removed`."""

    operand: Operand
    removed: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Patch:
    """In the channel (a list) `count` items from `start` on were replaced by `items`."""

    start: int
    count: int
    items: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Remove:
    """The channel became empty (it has no value)."""


Change: TypeAlias = Set | Append | Merge | Patch | Remove


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task as it was first planned: its id stays while it is pending, through resumes, updates and forks."""

    id: str
    node: str
    kind: Literal["pull", "push"] = "pull"
    index: int = 0
    triggers: tuple[str, ...] = ()
    arg: Ref | None = None
    """push only: the `Route` (number `index` of task `task_id`) that carries the input."""


# --- the events ---------------------------------------------------------------------------------------------


Durability: TypeAlias = Literal["sync", "async", "exit"]
RunStatus: TypeAlias = Literal["success", "interrupted", "failed", "cancelled", "timed_out", "crashed"]
Source: TypeAlias = Literal["input", "loop", "update", "fork"]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run was accepted: with an input, an answer, or nothing (go on)."""

    graph: str
    fingerprint: str
    input: tuple[Write, ...] | None
    base: str | None
    """The checkpoint it goes on from; None for the thread's first run."""
    durability: Durability = "sync"
    passing: tuple[str, ...] = ()
    """The checkpoints at which the run before had stopped for a breakpoint, and which this run passes."""
    recursion_limit: int = 0
    """Supersteps; 0: the default."""
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubgraphStarted:
    """A graph was called inside a task: it joins the caller's run in a namespace of its own."""

    graph: str
    fingerprint: str
    input: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """A task's writes and routes, in the order it made them."""

    node: str
    writes: tuple[Write, ...]
    routes: tuple[Route, ...] = ()
    attempt: int = 1
    duration_us: int = 0


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """An attempt failed. `body` holds what the node returned when only its router failed: the node is not run again."""

    node: str
    error: str
    message: str
    traceback: str
    attempt: int
    retried: bool
    body: tuple[tuple[Write, ...], tuple[Route, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One `interrupt()`: its identity, what it shows the human, and what answer it expects."""

    id: str
    value: Value
    schema: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class TaskInterrupted:
    """A task waits: for answers to `questions`, or (`paused`: it raised `InterruptedError`) to be invoked again."""

    node: str
    questions: tuple[Question, ...]
    paused: str | None = None
    body: tuple[tuple[Write, ...], tuple[Route, ...]] | None = None
    """What the node returned, when its router waits: the node is not run again."""


@dataclass(frozen=True, slots=True)
class CallRecorded:
    """The result or error of one call inside a task: `path` are its ordinals from the task down."""

    path: tuple[int, ...]
    function: str
    result: Value = None
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class InterruptResolved:
    """Somebody answered a question. The envelope's actor says who."""

    id: str
    answer: Value
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StateUpdated:
    """A human or a program wrote to the state, as if it were node `as_node`. The envelope's task id names it."""

    as_node: str | None
    writes: tuple[Write, ...]
    routes: tuple[Route, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StepCommitted:
    """A checkpoint: what the state became and which tasks come next."""

    parent: str | None
    step: int
    source: Source
    changes: Mapping[str, Change]
    next: tuple[PlannedTask, ...]
    ran: tuple[str, ...] = ()
    """The nodes whose tasks this step committed."""
    kept: tuple[str, ...] = ()
    """Ids of pending tasks that stay pending (they are in no `next`): an update beside an open step."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A branch began at `checkpoint` of `parent_branch`, whose events up to `fork_seq` are its history."""

    parent_branch: str
    fork_seq: int
    checkpoint: str
    name: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended, exactly once. `stopped_at` holds the checkpoints of static breakpoints."""

    status: RunStatus
    error: str | None = None
    message: str | None = None
    stopped_at: tuple[str, ...] = ()
    recovered_by: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPruned:
    """Events up to `upto` were removed; `prefix_hash` is the hash of the last one."""

    upto: int
    prefix_hash: str
    removed: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadDeleted:
    """The thread's events were removed; this tombstone refuses late writers."""

    removed: int
    reason: str | None = None


Event: TypeAlias = (
    RunStarted
    | SubgraphStarted
    | TaskSucceeded
    | TaskFailed
    | TaskInterrupted
    | CallRecorded
    | InterruptResolved
    | StateUpdated
    | StepCommitted
    | Forked
    | RunFinished
    | HistoryPruned
    | ThreadDeleted
)


class Kind(StrEnum):
    """The name under which each event is stored."""

    RUN_STARTED = "RunStarted"
    SUBGRAPH_STARTED = "SubgraphStarted"
    TASK_SUCCEEDED = "TaskSucceeded"
    TASK_FAILED = "TaskFailed"
    TASK_INTERRUPTED = "TaskInterrupted"
    CALL_RECORDED = "CallRecorded"
    INTERRUPT_RESOLVED = "InterruptResolved"
    STATE_UPDATED = "StateUpdated"
    STEP_COMMITTED = "StepCommitted"
    FORKED = "Forked"
    RUN_FINISHED = "RunFinished"
    HISTORY_PRUNED = "HistoryPruned"
    THREAD_DELETED = "ThreadDeleted"


# --- an event as it is stored -------------------------------------------------------------------------------


class Record(NamedTuple):
    """One stored event: the envelope in columns, the payload as bytes. A tuple, because it is a row."""

    thread_id: str
    branch: str
    seq: int
    """1, 2, 3 … along a line of history; a fork's first event follows its fork point."""
    kind: str
    version: int
    run_id: str
    namespace: str
    """"" for the root graph; `node:task_id|node:task_id` for a subgraph's events."""
    checkpoint_id: str
    """The checkpoint this event *is* (`StepCommitted`), else ""."""
    task_id: str
    recorded_at: int
    """Microseconds since 1970 UTC. Information only; order is `seq`."""
    actor: str
    hash: bytes
    """32 bytes; chains to the event before (see `perdure.chain`)."""
    payload: bytes
    """JSON text (or ciphertext)."""
    position: int = 0
    """The event's place in the saver's whole order, given by the store at the append; 0 before."""
