"""What a request asks of a thread becomes the run's first events."""

from dataclasses import dataclass, field
from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.outcome import related
from perdure.engine.session import Session
from perdure.errors import NothingPendingError, UsageError
from perdure.events import (
    Forked,
    InterruptResolved,
    Record,
    RunFinished,
    RunStarted,
    StateUpdated,
    Write,
)
from perdure.ports import Branch
from perdure.rules.commit import Done, begin, commit
from perdure.rules.project import GraphState, ThreadState, Written, parent_namespace
from perdure.rules.resume import match_answers
from perdure.rules.returns import interpret
from perdure.types import NO_ANSWER, Command


@dataclass(slots=True)
class Request:
    """One invoke or stream call, as far as the log is concerned."""

    thread_id: str
    input: Any
    run_id: str | None = None
    checkpoint_id: str | None = None
    branch: str | None = None
    reason: str | None = None
    fork_at: Record | None = field(default=None)
    """Set when the addressed checkpoint is not its branch's newest: the run begins a branch there."""

    @property
    def resumes(self) -> bool:
        """Tell whether the request goes on with what is open instead of starting anew."""
        return self.input is None or isinstance(self.input, Command)


def goes_on(request: Request, state: ThreadState) -> bool:
    """Tell whether there is anything to do: `None` on a thread without open tasks is answered from the state."""
    return request.input is not None or bool(state.graph("").tasks)


def accept(session: Session, blueprint: Blueprint, request: Request) -> int:
    """Record what begins a run; return the last step that its recursion limit allows.

    Raises UsageError (or one of its kinds) or EncodeError with nothing recorded.
    """
    state, command = session.state, request.input
    answers: dict[str, Any] = {}
    writes: Written = []
    if isinstance(command, Command):
        if command.resume is not NO_ANSWER and session.saver is None:
            raise NothingPendingError(
                "Cannot use Command(resume=...) without checkpointer: nothing was kept. Compile the graph with one."
            )
        if command.resume is not NO_ANSWER:
            answers = match_answers(state, command.resume)
        elif command.update is None and not command.goto:
            raise UsageError("An empty Command says nothing: give it resume, update or goto.")
        interpret(blueprint, "", Command(command.graph, command.update, goto=command.goto))
    elif command is not None:
        writes = blueprint.input_writes.pairs(command)
    root = state.graph("")
    last_step = root.step + session.terms.recursion_limit + 2
    base, passing = root.checkpoint or None, _passing(request, state)
    if request.fork_at is not None:
        fork(session, request.fork_at, reason=request.reason)
    elif state.run_id is not None:
        session.writer.record(RunFinished("crashed", recovered_by=session.writer.run_id), run_id=state.run_id)
    paused = any(task.paused is not None for task in root.tasks.values())
    fresh = not request.resumes and not paused
    session.record(_started(session, blueprint, base, passing, tuple(Write(*one) for one in writes) if fresh else None))
    session.writer.current = True
    if request.fork_at is not None:
        keep_path_open(session, blueprint, request.fork_at.namespace)
    if fresh:
        session.record(begin(blueprint, root, session.ids.mint))
    elif writes:
        update(session, blueprint, None, writes)
    if isinstance(command, Command):
        for id, answer in answers.items():
            session.record(InterruptResolved(id, answer, request.reason), *_asker(state, id))
        _steer(session, blueprint, command)
    return last_step


def fork(session: Session, at: Record, *, name: str | None = None, reason: str | None = None) -> str:
    """Begin a branch at a checkpoint; return its id. What follows is recorded on it."""
    writer = session.writer
    branch = session.ids.mint()
    writer.opens = Branch(branch, at.branch, at.seq, name)
    writer.branch = branch
    session.record(Forked(at.branch, at.seq, at.checkpoint_id, name, reason))
    return branch


def keep_open(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Record the fork's own checkpoint: the state and the open tasks of the one that it begins at."""
    graph = session.graph(namespace)
    event = commit(blueprint, _still(graph), [], session.ids.mint, source="fork", keep=tuple(graph.tasks))
    session.record(event, namespace)


def keep_path_open(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Record the fork's checkpoints: of the graph it begins in, and of each graph around that one."""
    path = [namespace]
    while path[-1]:
        path.append(parent_namespace(path[-1]))
    for one in reversed(path):
        keep_open(session, blueprint, one)


def update(session: Session, blueprint: Blueprint, as_node: str | None, writes: Written) -> None:
    """Record writes to the state beside the open step: its tasks stay open, with what is known of them."""
    graph = session.graph("")
    id = session.ids.mint()
    session.record(StateUpdated(as_node, related(blueprint, graph, writes)), "", id)
    done = Done(id, as_node, *graph.updates[id])
    session.record(commit(blueprint, graph, [done], session.ids.mint, source="update", keep=tuple(graph.tasks)))


def _steer(session: Session, blueprint: Blueprint, command: Command[Any]) -> None:
    """Apply a Command's update and goto beside the open step."""
    if command.update is None and not command.goto:
        return
    writes, routes = interpret(blueprint, "", Command(command.graph, command.update, goto=command.goto))
    graph = session.graph("")
    id = session.ids.mint()
    session.record(StateUpdated(None, related(blueprint, graph, writes), routes), "", id)
    done = Done(id, None, *graph.updates[id])
    session.record(commit(blueprint, graph, [done], session.ids.mint, source="update", keep=tuple(graph.tasks)))


def _still(graph: GraphState) -> GraphState:
    """Return the graph without values that live for one step: a fork takes no step."""
    return GraphState(tasks=graph.tasks, checkpoint=graph.checkpoint, step=graph.step)


def _started(
    session: Session,
    blueprint: Blueprint,
    base: str | None,
    passing: tuple[str, ...],
    input: tuple[Write, ...] | None,
) -> RunStarted:
    terms = session.terms
    return RunStarted(
        graph=blueprint.name,
        fingerprint=blueprint.fingerprint,
        input=input,
        base=base,
        durability=terms.durability,
        passing=passing,
        recursion_limit=terms.recursion_limit,
        metadata=terms.metadata,
    )


def _passing(request: Request, state: ThreadState) -> tuple[str, ...]:
    """Return the checkpoints whose breakpoints this run passes: where the one before stopped, or where it is told to
    begin. A run that crashed passes what it was passing.
    """
    if not request.resumes:
        return ()
    if request.checkpoint_id is not None:
        return (request.checkpoint_id, *state.stopped_at)
    return state.stopped_at if state.run_id is None else state.passing


def _asker(state: ThreadState, id: str) -> tuple[str, str]:
    """Return namespace and task id of whoever asked a question."""
    for namespace, graph in state.graphs.items():
        for task in graph.tasks.values():
            if any(question.id == id for question in task.questions):
                return namespace, task.plan.id
    raise KeyError(id)
