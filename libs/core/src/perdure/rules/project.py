"""What a line of history adds up to: each graph's values, its open tasks, and what is known of them.

`evolve` takes one event and brings a `ThreadState` up to date in place; warm (as a run appends) and cold (from stored
bytes) it is the same function. It runs no user code. Deciding what happens next is `plan` and `commit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from perdure.channels.describe import Marks, extend_marks, marks
from perdure.events import (
    Append,
    CallRecorded,
    Change,
    Event,
    Forked,
    HistoryPruned,
    InterruptResolved,
    Literally,
    PlannedTask,
    Question,
    Record,
    Ref,
    Remove,
    Route,
    RunFinished,
    RunStarted,
    RunStatus,
    Source,
    StateUpdated,
    StepCommitted,
    SubgraphStarted,
    TaskFailed,
    TaskInterrupted,
    TaskSucceeded,
    ThreadDeleted,
    Value,
    Write,
)
from perdure.fold import Resolve, apply, copied, own, resolve_write
from perdure.types import START

Written = list[tuple[str, Value]]
"""Full values, (channel, value), in the order they were written."""


@dataclass(slots=True)
class TaskState:
    """A task of the open step and what is known of it."""

    plan: PlannedTask
    arg: Value = None
    """push only: the input that its `Send` carried."""
    writes: Written | None = None
    """What it wrote, once it has succeeded."""
    routes: tuple[Route, ...] = ()
    body: tuple[Written, tuple[Route, ...]] | None = None
    """What its node returned when only its router failed."""
    node_asked: int = 0
    """Questions that the node had asked when it returned `body`; its router's come after."""
    attempts: int = 0
    """Failed attempts that were to be retried, since it was last started anew."""
    failure: TaskFailed | None = None
    questions: list[Question] = field(default_factory=list)
    answers: dict[str, Value] = field(default_factory=dict)
    paused: str | None = None
    loose: Written = field(default_factory=list)
    """What it wrote to channels that no log holds."""
    inside: dict[str, Question] = field(default_factory=dict)
    """The newest question of each task inside the graphs that this one called, by that task's id."""

    @property
    def open_questions(self) -> list[Question]:
        """Return the questions that nobody has answered."""
        return [question for question in self.questions if question.id not in self.answers]


@dataclass(slots=True)
class GraphState:
    """One graph (root or subgraph): its newest checkpoint and the step that is open after it."""

    values: dict[str, Value] = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    checkpoint: str = ""
    parent: str | None = None
    step: int = -2
    source: Source = "input"
    at: int = 0
    """When the checkpoint was recorded, microseconds."""
    seq: int = 0
    ran: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    """The nodes of the newest step that ran any: an update without `as_node` speaks for it."""
    caller: str = ""
    """The task that called this graph last ("" for the root)."""
    accepted: Written = field(default_factory=list)
    updates: dict[str, tuple[Written, tuple[Route, ...]]] = field(default_factory=dict)
    """Updates recorded since the checkpoint, by their id."""
    untracked: dict[str, Value] = field(default_factory=dict)
    """Values of channels that no log holds; they end with the run."""
    tracked: dict[str, Marks] = field(default_factory=dict)
    """Fingerprints of the channels whose writes are stored relative to what they hold."""


@dataclass(slots=True)
class ThreadState:
    """A branch at one event: every living graph by namespace, and the run that is open."""

    graphs: dict[str, GraphState] = field(default_factory=dict)
    run_id: str | None = None
    """The run that has started and not finished."""
    status: RunStatus | None = None
    """How the newest finished run ended."""
    stopped_at: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    seq: int = 0
    hash: bytes = b""
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def graph(self, namespace: str) -> GraphState:
        """Return a graph's state; an empty one, which nobody keeps, when there is none.

        Other threads ask at any time, so only `evolve` (under its writer's lock) adds graphs.
        """
        state = self.graphs.get(namespace)
        return GraphState() if state is None else state


def child_namespace(namespace: str, node: str, task_id: str) -> str:
    """Return the namespace of the first graph that a task calls."""
    inner = f"{node}:{task_id}"
    return f"{namespace}|{inner}" if namespace else inner


def parent_namespace(namespace: str) -> str:
    """Return the namespace of the graph around this one ("" for the root's own)."""
    head, _, last = namespace.rpartition("|")
    return head.rpartition("|")[0] if last.isdigit() else head


def within(namespace: str, outer: str) -> bool:
    """Tell whether a namespace is `outer` or lies in it (everything lies in the root's)."""
    return not outer or namespace == outer or namespace.startswith(outer + "|")


def evolve(  # noqa: C901 - a case an event
    state: ThreadState, record: Record, event: Event, written: Written | None = None
) -> None:
    """Bring `state` up to date with the next event of its line of history, in place.

    Args:
        state: The projection after the event before.
        record: The event's envelope.
        event: The event.
        written: The full values of its writes, where this process has just made them. What is stored may be relative to
            values whose items user code has changed in place meanwhile; the log is not, so a fold resolves them.
    """
    graph = state.graphs.get(record.namespace)
    if graph is None:
        graph = state.graphs[record.namespace] = GraphState()
    match event:
        case TaskSucceeded():
            task = graph.tasks[record.task_id]
            task.writes = _full(state, record, graph, event.writes, written)
            task.routes, task.failure, task.body, task.paused = event.routes, None, None, None
        case StepCommitted():
            _committed(state, record, graph, event)
        case TaskFailed():
            _failed(state, record, graph, event, written)
        case TaskInterrupted():
            _interrupted(state, record, graph, event, written)
        case InterruptResolved():
            _, task = find_question(state, event.id)
            task.answers[event.id] = event.answer
        case RunStarted():
            state.run_id, state.passing, state.metadata = record.run_id, event.passing, event.metadata
            if event.input is not None:
                graph.accepted = _full(state, record, graph, event.input)
        case SubgraphStarted():
            given = _full(state, record, graph, event.input, written)
            graph.accepted, graph.caller = copied(given), record.task_id  # the graph around it may change its own
        case StateUpdated(as_node="__input__"):
            graph.accepted = _full(state, record, graph, event.writes)
        case StateUpdated():
            graph.updates[record.task_id] = (_full(state, record, graph, event.writes, written), event.routes)
        case RunFinished():
            if state.run_id == record.run_id:
                state.run_id = None
            state.status, state.stopped_at = event.status, event.stopped_at
        case Forked():
            state.run_id, state.status, state.stopped_at, state.passing = None, None, (), ()
        case CallRecorded() | HistoryPruned() | ThreadDeleted():
            pass  # facts for readers; no state depends on them
        case _:
            assert_never(event)
    state.seq, state.hash = record.seq, record.hash


def _keep_body(
    state: ThreadState,
    record: Record,
    graph: GraphState,
    body: tuple[tuple[Write, ...], tuple[Route, ...]] | None,
    written: Written | None,
) -> None:
    task = graph.tasks[record.task_id]
    if body is not None:
        if task.body is None:
            task.node_asked = len(task.questions)
        task.body = (_full(state, record, graph, body[0], written), body[1])


def _interrupted(
    state: ThreadState, record: Record, graph: GraphState, event: TaskInterrupted, written: Written | None
) -> None:
    task = graph.tasks[record.task_id]
    _keep_body(state, record, graph, event.body, written)
    known = {one.id: one for one in task.questions} | {one.id: one for one in event.questions}
    task.questions = list(known.values())
    task.paused, task.failure, task.attempts = event.paused, None, 0
    if record.namespace and event.questions:
        _tell_outwards(state, record, event.questions[-1])


def _tell_outwards(state: ThreadState, record: Record, question: Question) -> None:
    """Note a question at every task around the one that asks it."""
    inner = record.namespace
    while inner:
        outer = parent_namespace(inner)
        step = inner[len(outer) :].lstrip("|").partition("|")[0]
        node, _, id = step.partition(":")
        for task in state.graph(outer).tasks.values():
            if task.plan.id == id or (not id and task.plan.node == node and task.writes is None):
                task.inside[record.task_id] = question
        inner = outer


def find_question(state: ThreadState, id: str) -> tuple[str, TaskState]:
    """Return the namespace and the task in which a question was asked. Raises KeyError when none was."""
    for namespace, graph in state.graphs.items():
        for task in graph.tasks.values():
            if any(question.id == id for question in task.questions):
                return namespace, task
    raise KeyError(id)


def _full(
    state: ThreadState,
    record: Record,
    graph: GraphState,
    writes: tuple[Write, ...],
    written: Written | None = None,
) -> Written:
    """Return the full values of recorded writes, their containers our own: user code keeps those it handed over."""
    if written is not None:
        return [(channel, own(value)) for channel, value in written]
    parent: Mapping[str, Value] = {}
    if record.namespace and any(write.how == "parent" for write in writes):
        parent = state.graph(parent_namespace(record.namespace)).values
    return [(one.channel, own(resolve_write(one, graph.values, parent, graph.accepted))) for one in writes]


def _failed(state: ThreadState, record: Record, graph: GraphState, event: TaskFailed, written: Written | None) -> None:
    task = graph.tasks[record.task_id]
    task.paused = None
    _keep_body(state, record, graph, event.body, written)
    if event.retried:
        task.attempts = event.attempt
    else:
        task.failure, task.attempts = event, 0


def _committed(state: ThreadState, record: Record, graph: GraphState, event: StepCommitted) -> None:
    def resolve(ref: Ref) -> Value:
        update = graph.updates.get(ref.task_id)
        if update is not None:
            return update[0][ref.index][1]
        task = graph.tasks[ref.task_id]
        writes = graph.accepted if task.writes is None and task.plan.node == START else task.writes
        if writes is None:
            raise KeyError(f"task {ref.task_id} has written nothing")
        return writes[ref.index][1]

    apply(graph.values, event.changes, resolve)
    if graph.tracked:
        _track(graph, event.changes, resolve)
    _plan_next(state, record.namespace, graph, event)
    graph.parent, graph.checkpoint, graph.seq = event.parent, record.checkpoint_id, record.seq
    graph.step, graph.source, graph.at, graph.ran = event.step, event.source, record.recorded_at, event.ran
    graph.updates, graph.last = {}, event.ran or graph.last
    if event.source == "loop":
        graph.accepted = []
    if event.source in ("update", "fork") and event.parent is not None:
        # A pause at a breakpoint moves along with the checkpoint that an update or a fork puts in its place.
        moved = {event.parent: record.checkpoint_id}
        state.stopped_at = tuple(moved.get(one, one) for one in state.stopped_at)
        state.passing = tuple(moved.get(one, one) for one in state.passing)


def _track(graph: GraphState, changes: Mapping[str, Change], resolve: Resolve) -> None:
    for channel, change in changes.items():
        if channel not in graph.tracked:
            continue
        if isinstance(change, Remove):
            graph.tracked[channel] = None
        elif isinstance(change, Append) and type(graph.tracked[channel]) is list:
            for operand in change.operands:
                items = operand.value if isinstance(operand, Literally) else resolve(operand)
                graph.tracked[channel] = extend_marks(graph.tracked[channel], items)
        else:
            graph.tracked[channel] = marks(graph.values[channel])


def _plan_next(state: ThreadState, namespace: str, graph: GraphState, event: StepCommitted) -> None:
    before = graph.tasks
    tasks: dict[str, TaskState] = {id: before[id] for id in event.kept}
    for plan in event.next:
        known = before.get(plan.id)
        if known is not None:
            tasks[plan.id] = known
        else:
            tasks[plan.id] = TaskState(plan, None if plan.arg is None else _arg(graph, plan.arg))
    if len(state.graphs) > 1:
        for id, task in before.items():
            if id not in tasks:
                _forget(state, child_namespace(namespace, task.plan.node, id))
    graph.tasks = tasks


def _arg(graph: GraphState, ref: Ref) -> Value:
    update = graph.updates.get(ref.task_id)
    routes = graph.tasks[ref.task_id].routes if update is None else update[1]
    return routes[ref.index].arg


def _forget(state: ThreadState, namespace: str) -> None:
    for name in [name for name in state.graphs if within(name, namespace)]:
        del state.graphs[name]
