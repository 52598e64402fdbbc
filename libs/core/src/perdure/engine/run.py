"""The superstep loop, for the root graph and for every graph inside: what may run is started, what has ended is
recorded, and when a step is complete it is committed. A flow; what decides lives in `rules`.
"""

from dataclasses import dataclass

from perdure.definition.blueprint import Blueprint
from perdure.engine.effects import (
    Abandon,
    Asked,
    Failed,
    Flow,
    Flush,
    HandedUp,
    Job,
    Outcome,
    Perform,
    Sleep,
    Start,
    Succeeded,
    Wait,
)
from perdure.engine.outcome import failure, pause, success, track, unstorable
from perdure.engine.parts import show_commit, show_interrupt, show_task
from perdure.engine.retry import retry_delay
from perdure.engine.session import Session
from perdure.engine.task import job
from perdure.errors import EncodeError, GraphRecursionError, InvalidUpdateError
from perdure.rules.commit import commit, finished
from perdure.rules.plan import breakpoint_at, runnable
from perdure.rules.project import TaskState
from perdure.rules.untracked import apply_loose, split, take_loose


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing is left to run."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open tasks wait for answers, or a breakpoint stands here."""

    pause: InterruptedError | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A task failed for good (or the graph cannot go on): `error` is what the caller gets."""

    error: BaseException


End = Ended | Waiting | Broken


class Steps:
    """One graph's way through its supersteps within a run."""

    def __init__(self, session: Session, blueprint: Blueprint, namespace: str, *, last_step: int) -> None:
        self.session = session
        self.blueprint = blueprint
        self.namespace = namespace
        self.last_step = last_step
        terms = session.terms
        own = namespace == ""
        before, after = terms.interrupt_before, terms.interrupt_after
        self.before = blueprint.interrupt_before if before is None or not own else before
        self.after = blueprint.interrupt_after if after is None or not own else after
        self.end: End | None = None

    def run(self) -> Flow[End]:
        """Run supersteps until the graph ends, waits or breaks."""
        session, namespace = self.session, self.namespace
        if session.saver is not None:
            track(self.blueprint, session.graph(namespace))
        while self.end is None:
            graph = session.graph(namespace)
            if not graph.tasks:
                return Ended()
            if self._stops_here():
                session.stopped_at.append(graph.checkpoint)
                return Waiting()
            yield from self._step()
        return self.end

    def _step(self) -> Flow[None]:
        """Run what may run of the open step, and commit it when it is complete."""
        session, namespace = self.session, self.namespace
        todo = runnable(session.state, namespace)
        if todo:
            if session.graph(namespace).step + 1 > self.last_step:
                self.end = Broken(self._limit())
                return
            yield from self._superstep(todo)
        if self.end is None:
            waiting = any(task.writes is None for task in session.graph(namespace).tasks.values())
            self.end = Waiting() if waiting else self._commit()

    def _stops_here(self) -> bool:
        if not self.before and not self.after:
            return False
        graph, state = self.session.graph(self.namespace), self.session.state
        return graph.checkpoint not in state.passing and breakpoint_at(self.blueprint, graph, self.before, self.after)

    def _limit(self) -> GraphRecursionError:
        limit = self.session.terms.recursion_limit
        return GraphRecursionError(
            f"Recursion limit of {limit} reached without a stop. Raise `recursion_limit` in the config, or find the"
            " cycle that does not end; invoke(None, config) goes on from here."
        )

    def _commit(self) -> Broken | None:
        session, namespace = self.session, self.namespace
        graph = session.graph(namespace)
        done, loose = finished(graph), take_loose(graph)
        try:
            event = commit(self.blueprint, graph, done, session.ids.mint)
            session.record(event, namespace)
            apply_loose(self.blueprint, graph, loose)
        except Exception as error:  # noqa: BLE001 - a reducer's, a channel's or the codec's complaint
            return Broken(error)
        show_commit(session, self.blueprint, namespace, done)
        return None

    # -- one superstep -------------------------------------------------------------------------------------------

    def _superstep(self, todo: list[TaskState]) -> Flow[None]:
        if len(todo) == 1 and not self.session.stream.live:
            yield from self._alone(todo[0])
        else:
            yield from self._together(todo)

    def _alone(self, task: TaskState) -> Flow[None]:
        while True:
            if self.session.writer.dirty:
                yield Flush(self.session)
            outcome: Outcome = yield Perform(self._job(task.plan.id))
            delay = self._settle(task.plan.id, outcome)
            if delay is None:
                return
            yield Flush(self.session)
            yield Sleep(delay)

    def _together(self, todo: list[TaskState]) -> Flow[None]:
        yield Flush(self.session)
        for task in todo:
            yield Start(self._job(task.plan.id))
        running = len(todo)
        while running:
            ended: list[tuple[str, Outcome]] = yield Wait()
            running -= len(ended)
            running += yield from self.settle_all(ended)
            if isinstance(self.end, Broken) and running:
                ended = yield Abandon()
                running = 0
                yield from self.settle_all(ended)
            if running:
                yield Flush(self.session)

    def settle_all(self, ended: list[tuple[str, Outcome]]) -> Flow[int]:
        """Record what has ended; return how many attempts were started again."""
        again = 0
        for task_id, outcome in ended:
            delay = self._settle(task_id, outcome)
            if delay is not None and not isinstance(self.end, Broken):
                yield Flush(self.session)
                yield Start(self._job(task_id), delay)
                again += 1
        return again

    def _job(self, task_id: str) -> Job:
        task = self.session.graph(self.namespace).tasks[task_id]
        return job(self.session, self.blueprint, self.namespace, task, self.last_step)

    def _settle(self, task_id: str, outcome: Outcome) -> float | None:
        """Record how an attempt ended; return the pause before the next one, if there is to be one."""
        session, namespace = self.session, self.namespace
        task = session.graph(namespace).tasks[task_id]
        match outcome:
            case Succeeded():
                kept, loose = split(self.blueprint, outcome.writes)
                try:
                    event = success(self.blueprint, session.graph(namespace), task, outcome, kept)
                    session.record(event, namespace, task_id, written=kept)
                    session.graph(namespace).tasks[task_id].loose = loose
                except EncodeError as error:
                    return self._fail(task, Failed(unstorable(outcome.writes) or error))
                show_task(session, self.blueprint, namespace, task.plan.node, outcome.writes)
            case Failed():
                return self._fail(task, outcome)
            case Asked():
                self._pause(task, outcome)
            case HandedUp(signal) if namespace or session.terms.outer is not None:
                self.end = Broken(signal)
            case HandedUp():
                complaint = InvalidUpdateError(
                    f"Node {task.plan.node!r} returned Command(graph=Command.PARENT), but there is no graph around this"
                    " one. There is no parent graph."
                )
                return self._fail(task, Failed(complaint))
        return None

    def _fail(self, task: TaskState, outcome: Failed) -> float | None:
        spec = self.blueprint.nodes.get(task.plan.node)
        policies = () if spec is None else spec.retry
        delay = retry_delay(policies, outcome.error, task.attempts + 1)
        graph = self.session.graph(self.namespace)
        try:
            event = failure(self.blueprint, graph, task, outcome, retried=delay is not None)
            written = None if outcome.body is None else outcome.body[0]
            self.session.record(event, self.namespace, task.plan.id, written=written)
        except EncodeError:  # what the node returned cannot be kept beside its router's error
            event = failure(self.blueprint, graph, task, Failed(outcome.error), retried=delay is not None)
            self.session.record(event, self.namespace, task.plan.id)
        if delay is None and not isinstance(self.end, Broken):
            self.end = Broken(outcome.error)
        return delay

    def _pause(self, task: TaskState, outcome: Asked) -> None:
        if outcome.interrupts or outcome.pause is not None:
            try:
                graph = self.session.graph(self.namespace)
                written = None if outcome.body is None else outcome.body[0]
                event = pause(self.blueprint, graph, task, outcome)
                self.session.record(event, self.namespace, task.plan.id, written=written)
            except EncodeError as error:
                self._fail(task, Failed(error))
                return
        show_interrupt(self.session, self.blueprint, self.namespace, task)
        if outcome.pause is not None and self.end is None:
            self.end = Waiting(outcome.pause)
