"""What the tests of two writers run in other processes: graphs, and processes that contend, overtake or are stopped."""

import operator
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Annotated, Any, Final, NamedTuple, Protocol, TypedDict

from perdure import END, START, Command, CompiledGraph, StateGraph, interrupt, open_saver
from perdure.errors import PerdureError
from perdure.ports import Saver
from tests.acceptance.watched import watch
from tests.acceptance.worlds import World, invoke

PATIENCE: Final = 60.0
"""Seconds after which a process that waits for another gives up."""
CONFIG: Final[Any] = {"thread_id": "shared"}


class Log(TypedDict):
    entries: Annotated[list[str], operator.add]


class Barrier(Protocol):
    """A barrier of threads, or of processes."""

    def wait(self, timeout: float | None = None) -> int: ...


def asking(saver: Saver) -> CompiledGraph:
    """A graph that asks for ever, and keeps the answers."""
    builder = StateGraph(Log)
    builder.add_node("ask", lambda state: {"entries": [interrupt(f"entry {len(state['entries'])}")]})
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "ask")
    return builder.compile(saver)


def echoing(saver: Saver) -> CompiledGraph:
    """A graph that takes a turn: it echoes the newest entry."""
    builder = StateGraph(Log)
    builder.add_node("echo", lambda state: {"entries": [f"echo of {state['entries'][-1]}"]})
    builder.add_edge(START, "echo")
    builder.add_edge("echo", END)
    return builder.compile(saver)


def stopping(saver: Saver, stop: Callable[[str], None]) -> CompiledGraph:
    """A line of three nodes that call `stop` with their name."""
    builder = StateGraph(Log)

    def step(name: str) -> Callable[[Log], dict[str, list[str]]]:
        def run(_: Log) -> dict[str, list[str]]:
            stop(name)
            return {"entries": [name]}

        return run

    for before, name in (START, "first"), ("first", "second"), ("second", "third"):
        builder.add_node(name, step(name))
        builder.add_edge(before, name)
    return builder.compile(saver)


class Meeting:
    """What the next append, once told so, begins with: waiting for the other process's."""

    meet: Callable[[], object] = staticmethod(lambda: None)

    @contextmanager
    def append(self, _: bool) -> Iterator[None]:
        meet, self.meet = self.meet, Meeting.meet
        meet()
        yield


def contend(
    graph: CompiledGraph, name: str, rounds: int, barrier: Barrier, world: World, meeting: Meeting | None = None
) -> list[str]:
    """Answer the open question `rounds` times, each time together with others; return `won`, or the error's name.

    All set off together when they know the question, or with a `meeting` when they are about to append the answer.
    """
    outcomes: list[str] = []
    for number in range(rounds):
        barrier.wait(PATIENCE)  # all have ended the round before
        (question,) = graph.get_state(CONFIG).interrupts
        if meeting is not None:
            meeting.meet = lambda: barrier.wait(PATIENCE)
        else:
            barrier.wait(PATIENCE)
        try:
            invoke(graph, Command(resume={question.id: f"{name} {number}"}), CONFIG, world)
            outcomes.append("won")
        except PerdureError as error:
            outcomes.append(type(error).__name__)
    return outcomes


# --- what runs in another process ---------------------------------------------------------------------------


class Contest(NamedTuple):
    """What two processes contend for, and how."""

    url: str
    meeting: bool
    rounds: int
    barrier: Barrier
    world: World


def contending(contest: Contest, name: str, pipe: Connection) -> None:
    """Contend, and send the outcomes."""
    url, meets, rounds, barrier, world = contest
    meeting = Meeting()
    with watch(open_saver(url), meeting.append) as saver:
        pipe.send(contend(asking(saver), name, rounds, barrier, world, meeting if meets else None))


def serving(url: str, pipe: Connection) -> None:
    """Take a turn, or answer a question, each time it is told the name of a graph and an input; None ends it."""
    with open_saver(url) as saver:
        graphs = {"asking": asking(saver), "echoing": echoing(saver)}
        while (told := pipe.recv()) is not None:
            graph, input = told
            pipe.send(graphs[graph].invoke(input, CONFIG))


def stopped(url: str, world: World, pipe: Connection) -> None:
    """Run until the second node, stop there as if frozen, and say what comes of it when it goes on."""

    def stop(name: str) -> None:
        if name == "second":
            pipe.send(os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)

    with open_saver(url) as saver:
        try:
            invoke(stopping(saver, stop), {"entries": []}, CONFIG, world)
            pipe.send("went on")
        except PerdureError as error:
            pipe.send(type(error).__name__)


@contextmanager
def process(run: Callable[..., None], *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    """Run `run(*arguments, pipe)` in a fresh process; give it and this end of the pipe; end it in any case."""
    context = get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=run, args=(*arguments, there))
    child.start()
    there.close()
    try:
        yield child, here
    finally:
        child.kill()
        child.join()
        child.close()
        here.close()


def heard(pipe: Connection) -> Any:
    """Return what the other process sends next. Raises EOFError when it ended, TimeoutError when it says nothing."""
    if not pipe.poll(PATIENCE):
        raise TimeoutError("the other process says nothing")
    return pipe.recv()
