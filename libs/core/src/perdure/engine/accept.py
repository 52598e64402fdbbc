"""What a request asks of a thread becomes the run's first events."""

from dataclasses import dataclass, field
from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.outcome import related
from perdure.engine.parts import show_commit
from perdure.engine.session import RECURSION_LIMIT, Session
from perdure.errors import EmptyInputError, NothingPendingError
from perdure.events import (
    Forked,
    InterruptResolved,
    Record,
    Route,
    RunFinished,
    RunStarted,
    StateUpdated,
    Write,
)
from perdure.ports import Branch
from perdure.rules.commit import Done, begin, commit
from perdure.rules.project import GraphState, ThreadState, Written, find_question, parent_namespace
from perdure.rules.resume import match_answers
from perdure.rules.returns import Result, interpret
from perdure.rules.untracked import apply_loose, forget_untracked, split
from perdure.types import NO_ANSWER, START, Command


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
    answers, given = _checked(session, blueprint, request)
    writes, loose = split(blueprint, given)
    forget_untracked(session.state)
    root, command = session.graph(""), request.input
    last_step = root.step + session.terms.recursion_limit + 2
    paused = any(task.paused is not None for task in root.tasks.values())
    fresh = not request.resumes and not paused
    _open_run(session, blueprint, request, tuple(Write(*one) for one in writes) if fresh else None)
    apply_loose(blueprint, session.graph(""), loose)
    if fresh:
        start_graph(session, blueprint, "")
    elif writes:
        beside(session, blueprint, writes, ())
        session.pause_update = tuple(writes)
    for id, answer in answers.items():
        namespace, asker = find_question(session.state, id)
        session.record(InterruptResolved(id, answer, request.reason), namespace, asker.plan.id)
    if isinstance(command, Command) and (command.update is not None or command.goto):
        beside(session, blueprint, *_steering(blueprint, command))
    return last_step


def start_graph(session: Session, blueprint: Blueprint, namespace: str) -> None:
    """Record that a graph begins with its accepted input; and its first step, where no router has to be asked."""
    session.record(begin(blueprint, session.graph(namespace), session.ids.mint), namespace)
    if blueprint.branches.get(START):
        return
    graph = session.graph(namespace)
    (start,) = graph.tasks
    done = [Done(start, START, graph.accepted, ())]
    session.record(commit(blueprint, graph, done, session.ids.mint), namespace)
    show_commit(session, blueprint, namespace, done)


def _checked(session: Session, blueprint: Blueprint, request: Request) -> tuple[dict[str, Any], Written]:
    """Return the answers and the writes that a request brings, if it can be served."""
    command = request.input
    if command is None:
        return {}, []
    if not isinstance(command, Command):
        return {}, blueprint.input_writes.pairs(command)
    _steering(blueprint, command)
    if command.resume is NO_ANSWER:
        if command.update is None and not command.goto:
            raise EmptyInputError("An empty Command says nothing: give it resume, update or goto.")
        return {}, []
    if session.saver is None:
        raise NothingPendingError(
            "Cannot use Command(resume=...) without checkpointer: nothing was kept. Compile the graph with one."
        )
    return match_answers(session.state, command.resume), []


def _steering(blueprint: Blueprint, command: Command[Any]) -> Result:
    return interpret(blueprint, "", Command(command.graph, command.update, goto=command.goto))


def _open_run(session: Session, blueprint: Blueprint, request: Request, given: tuple[Write, ...] | None) -> None:
    """Record that the run has begun: on a branch of its own if it is a fork, after one that crashed if one did."""
    state, terms = session.state, session.terms
    base, passing = state.graph("").checkpoint or None, _passing(request, state)
    if request.fork_at is not None:
        fork(session, request.fork_at, reason=request.reason)
    elif state.run_id is not None:
        session.writer.record(RunFinished("crashed", recovered_by=session.writer.run_id), run_id=state.run_id)
    session.record(
        RunStarted(
            graph=blueprint.name,
            fingerprint=blueprint.fingerprint,
            input=given,
            base=base,
            durability=terms.durability,
            passing=passing,
            recursion_limit=0 if terms.recursion_limit == RECURSION_LIMIT else terms.recursion_limit,
            metadata=terms.metadata,
        )
    )
    follows = request.branch is None and request.checkpoint_id is None
    session.writer.current = "stays" if follows else "becomes"
    if request.fork_at is not None and given is None:
        keep_path_open(session, blueprint, request.fork_at.namespace)


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


def beside(
    session: Session, blueprint: Blueprint, writes: Written, routes: tuple[Route, ...], namespace: str = ""
) -> None:
    """Record writes and routes beside the open step: its tasks stay open, with what is known of them."""
    graph = session.graph(namespace)
    id = session.ids.mint()
    session.record(StateUpdated(None, related(blueprint, graph, writes), routes), namespace, id, written=writes)
    done = [Done(id, None, *graph.updates[id])]
    event = commit(blueprint, graph, done, session.ids.mint, source="update", keep=tuple(graph.tasks))
    session.record(event, namespace)


def _still(graph: GraphState) -> GraphState:
    """Return the graph without values that live for one step: a fork takes no step."""
    return GraphState(tasks=graph.tasks, checkpoint=graph.checkpoint, step=graph.step)


def _passing(request: Request, state: ThreadState) -> tuple[str, ...]:
    """Return the checkpoints whose breakpoints this run passes: where it is to begin, where the one before stopped.

    What a run has passed stays passed while it is the newest checkpoint, however that run ended.
    """
    if not request.resumes:
        return ()
    newest = {graph.checkpoint for graph in state.graphs.values()}
    passed = (*state.stopped_at, *(one for one in state.passing if one not in state.stopped_at))
    told = () if request.checkpoint_id is None else (request.checkpoint_id,)
    return (*told, *(one for one in passed if one in newest and one not in told))
