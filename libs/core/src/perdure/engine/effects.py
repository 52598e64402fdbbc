"""What a flow may ask its driver for.

A flow is a generator that yields effects and is sent their answers; it never waits, knows no thread and no loop. The
drivers (`drive_sync`, `drive_async`) are the only rooms that do. `yield from` composes flows; `Ask` (one call of a
saver's method) comes from `perdure.lineage`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from perdure.definition.callables import UserCallable
from perdure.engine.context import TaskContext
from perdure.engine.session import Session
from perdure.events import Route, Value
from perdure.lineage import Ask
from perdure.types import Interrupt

T = TypeVar("T")


Body: TypeAlias = tuple[list[tuple[str, Value]], tuple[Route, ...]]
"""What a node returned: writes and routes."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A task's node returned, and its router (if it has one) too."""

    writes: list[tuple[str, Value]]
    routes: tuple[Route, ...]
    duration_us: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A task raised. `body` is what the node returned when only the router raised."""

    error: Exception
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A task waits: for answers to `interrupts`, for inner graphs (none), or (`pause`) to be invoked again.

    `body` is what the node returned when it is the router that waits.
    """

    interrupts: tuple[Interrupt, ...] = ()
    pause: InterruptedError | None = None
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class HandedUp:
    """A task ended its graph with a command for the graph around it."""

    signal: BaseException


Outcome: TypeAlias = Succeeded | Failed | Asked | HandedUp


class UserCall(NamedTuple):
    """Effect of a task's flow: call user code and send back what it returns."""

    callable: UserCallable
    input: Value
    injected: dict[str, Any]


TaskFlow: TypeAlias = Generator[UserCall, Any, Outcome]


class Job(NamedTuple):
    """One attempt of a task, ready to be performed."""

    task_id: str
    flow: Callable[[], TaskFlow]
    context: TaskContext
    """The `TaskContext` that is current while its code runs."""
    threaded: bool
    """All of its code is sync, so in the async world one thread may perform the whole of it."""


class Driver(Protocol):
    """What both drivers can do: the sync one answers at once, the async one with something to await."""

    def ask(self, question: Ask) -> Any:
        """UserCall the saver."""

    def perform(self, job: Job) -> Any:
        """Run a job here."""

    def start(self, job: Job, delay: float) -> Any:
        """Begin a job beside."""

    def collect(self) -> Any:
        """Wait for jobs to end."""

    def abandon(self) -> Any:
        """End what runs beside."""

    def flush(self, session: Session, last: bool) -> Any:
        """Make durable."""

    def pause(self, seconds: float) -> Any:
        """Sleep."""


class Perform(NamedTuple):
    """Effect: perform a job here and now; answered with its `Outcome`."""

    job: Job

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.perform(self.job)


class Start(NamedTuple):
    """Effect: begin a job beside this flow, after a pause of `delay` seconds; answered with None."""

    job: Job
    delay: float = 0.0

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.start(self.job, self.delay)


class Wait(NamedTuple):
    """Effect: wait until a started job ends; answered with everything that has: list[(task id, Outcome)]."""

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.collect()


class Abandon(NamedTuple):
    """Effect: end started jobs as far as this world can, and be answered like `Wait` with those that finished."""

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.abandon()


class Flush(NamedTuple):
    """Effect: make what the session recorded durable, as its durability demands; `last` ends the run."""

    session: Session
    last: bool = False

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.flush(self.session, self.last)


class Sleep(NamedTuple):
    """Effect: pause for `seconds`."""

    seconds: float

    def on(self, driver: Driver) -> Any:
        """Let a driver do it."""
        return driver.pause(self.seconds)


Effect: TypeAlias = Ask | Perform | Start | Wait | Abandon | Flush | Sleep
Flow: TypeAlias = Generator[Effect, Any, T]
