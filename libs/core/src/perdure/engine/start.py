"""A run from its first event to its last: accept, run supersteps, finish. A flow.

Nothing is written before the whole request has been found good: a bad answer, an unknown checkpoint or an input that
cannot be stored leaves the thread as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.accept import Request, accept, goes_on
from perdure.engine.effects import Abandon, Flow, Flush
from perdure.engine.load import Loaded, empty, is_head, load_addressed, load_head
from perdure.engine.outcome import text_of, type_name
from perdure.engine.parts import as_interrupts, live_values, show_resumed, show_stop, state_values
from perdure.engine.projections import Projections
from perdure.engine.run import Broken, End, Ended, Steps, Waiting
from perdure.engine.session import Session, Terms
from perdure.engine.stream import Stream
from perdure.engine.writer import Writer
from perdure.errors import EmptyInputError, GraphRecursionError, MutatedStateError, StaleWriterError, UsageError
from perdure.events import RunFinished, RunStatus, Value
from perdure.ids import Clock, IdSource
from perdure.ports import Saver
from perdure.rules.plan import pending_questions
from perdure.signals import GraphInterrupt
from perdure.types import Interrupt


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, for its caller."""

    values: Value
    interrupts: tuple[Interrupt, ...] = ()
    error: BaseException | None = None


@dataclass(slots=True)
class Run:
    """One invoke or stream call of a root graph."""

    blueprint: Blueprint
    request: Request
    terms: Terms
    stream: Stream
    saver: Saver | None
    warm: Projections | None
    clock: Clock
    ids: IdSource
    attach: Callable[[Session], None]
    """Told the session before anything happens, so that a driver can lend it a loop."""
    session: Session = field(init=False)

    def flow(self) -> Flow[Result]:
        """Run to the end.

        A projection kept from before is only trusted with what the append's compare guards; when it proves stale, or
        when it leads to an end without an append, the log is asked, and what to do is decided anew, once.
        """
        loaded, kept = yield from self._projection()
        if kept and self._acts_unasked(loaded) and not (yield from is_head(self.request.thread_id, loaded)):
            kept, loaded = False, (yield from load_head(self.request.thread_id)) or empty()
        try:
            return (yield from self._once(loaded))
        except StaleWriterError:
            if not kept or self.session.settled:
                raise
        except UsageError:
            if not kept or self.session.settled or (yield from is_head(self.request.thread_id, loaded)):
                raise
        self.stream.forget()
        fresh = yield from load_head(self.request.thread_id)
        if fresh is not None and fresh.state.run_id is not None:  # another writer is at work on it right now
            raise StaleWriterError(
                self.request.thread_id, fresh.branch, expected_seq=loaded.state.seq, head_seq=fresh.state.seq
            )
        return (yield from self._once(fresh or empty()))

    def _acts_unasked(self, loaded: Loaded) -> bool:
        """Tell whether the run will act before an append has asked the log: it ends at once, or writes at its end."""
        return self.terms.durability == "exit" or not goes_on(self.request, loaded.state)

    def _projection(self) -> Flow[tuple[Loaded, bool]]:
        """Return where the run goes on from, and whether it came from memory."""
        request = self.request
        if self.saver is None:
            return empty(), False
        if request.checkpoint_id is not None:
            loaded, record, forks = yield from load_addressed(request.thread_id, request.checkpoint_id)
            request.fork_at = record if forks else None
            return loaded, False
        kept = None if self.warm is None else self.warm.take(request.thread_id)
        if kept is not None and request.branch in (None, kept.branch):
            return kept, True
        newest = yield from load_head(request.thread_id, request.branch)
        return newest or empty(), False

    def _once(self, loaded: Loaded) -> Flow[Result]:
        session = self.session = self._session(loaded)
        request, blueprint = self.request, self.blueprint
        if not loaded.state.graphs and request.input is None:
            raise EmptyInputError(f"Thread {request.thread_id!r} has nothing to go on from: pass an input, not None.")
        if goes_on(request, loaded.state):
            last_step = accept(session, blueprint, request)
            if request.resumes:
                show_resumed(session, blueprint, "")
        else:
            show_resumed(session, blueprint, "")
            self.stream.release()
            if request.checkpoint_id is None and request.branch is None:
                self._keep(session)
            return Result(state_values(session, blueprint, ""))
        try:
            return (yield from self._to_the_end(Steps(session, blueprint, "", last_step=last_step)))
        finally:
            session.writer.close()
            if session.background is not None:  # an error was first: nobody will settle it
                session.background.abandon()

    def _to_the_end(self, steps: Steps) -> Flow[Result]:
        try:
            end: End = yield from steps.run()
        except GeneratorExit:
            raise
        except BaseException as signal:
            if self.session.failed is None and not self.session.writer.closed:
                yield from self._cancel(steps, signal)
            raise
        return (yield from self._finish(end))

    def _session(self, loaded: Loaded) -> Session:
        terms, saver = self.terms, self.saver
        writer = Writer(
            self.request.thread_id,
            loaded.branch,
            loaded.state,
            clock=self.clock,
            ids=self.ids,
            durable=saver is not None,
        )
        writer.actor, writer.run_id = terms.actor, self.request.run_id or self.ids.mint()
        writer.grown, writer.snapshot_size = loaded.grown, loaded.snapshot_size
        if terms.strict and saver is not None:
            writer.be_strict()
        session = Session(saver, writer, terms, self.stream, clock=self.clock, ids=self.ids)
        self.attach(session)
        return session

    def _finish(self, end: End) -> Flow[Result]:
        session, blueprint = self.session, self.blueprint
        error: BaseException | None = None
        if isinstance(end, Broken):
            error = end.error
        elif isinstance(end, Waiting):
            error = end.pause
        session.record(_finished(session, end))
        if not isinstance(end, Ended):
            show_stop(session, blueprint, "")
        yield Flush(session, last=True)
        interrupts = as_interrupts(pending_questions(session.state))
        if interrupts and self.terms.outer is not None:
            error = GraphInterrupt(interrupts)
        values = state_values(session, blueprint, "") if isinstance(end, Ended) else live_values(session, blueprint, "")
        if not isinstance(error, MutatedStateError):  # then it is not what the log holds
            self._keep(session)
        return Result(values, interrupts, error)

    def _cancel(self, steps: Steps, signal: BaseException) -> Flow[None]:
        ended = yield Abandon()
        yield from steps.settle_all(ended)
        status: RunStatus = "failed" if isinstance(signal, Exception) else "cancelled"
        self.session.record(RunFinished(status, error=type_name(signal)))
        yield Flush(self.session, last=True)

    def _keep(self, session: Session) -> None:
        if self.warm is not None and self.saver is not None:
            writer = session.writer
            self.warm.keep(
                writer.thread_id,
                Loaded(writer.branch, writer.state, writer.grown, writer.snapshot_size),
            )


def _finished(session: Session, end: End) -> RunFinished:
    match end:
        case Ended():
            return RunFinished("success")
        case Waiting(pause):
            message = None if pause is None else text_of(pause)
            error = None if pause is None else type_name(pause)
            return RunFinished("interrupted", error, message, stopped_at=tuple(session.stopped_at))
        case Broken(error):
            return RunFinished(_status(error), type_name(error), text_of(error))


def _status(error: BaseException) -> RunStatus:
    return "timed_out" if isinstance(error, TimeoutError) and not isinstance(error, GraphRecursionError) else "failed"


def outcome(result: Result) -> Any:
    """Return what `invoke` returns; raise what made the run break."""
    check(result)
    if not result.interrupts:
        return result.values
    shown = dict(result.values) if isinstance(result.values, dict) else {}
    return {**shown, "__interrupt__": list(result.interrupts)}


def check(result: Result) -> None:
    """Raise what made the run break."""
    if result.error is not None:
        raise result.error
