"""What happens to a thread, as plain data, and the player that makes it happen.

An act is one call or a few. Failures that a description asks for are gone on from within the act, so each act stops
where the thread waits or is done, whatever failed on the way. The player is written once, as generators that yield
calls of the graph; `perform` and `aperform` are its two worlds.
"""

from collections.abc import Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, assert_never

from hypothesis import reject
from hypothesis import strategies as st

from perdure import Command, CompiledGraph, StateSnapshot
from perdure.errors import InvalidUpdateError
from perdure.events import Durability
from tests.laws.world import FlakyError

T = TypeVar("T")
THREAD = "t"
REFUSALS = (FlakyError, InterruptedError, InvalidUpdateError)
"""What calls may raise that acts know how to go on from."""
PATIENCE = 200
"""Calls after which a thread that is not done is stuck."""


class Do(NamedTuple):
    """Effect: call this method of the graph and send back what it returns (a list of what it yields)."""

    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]


Play: TypeAlias = Generator[Do, Any, T]


@dataclass(frozen=True)
class Turn:
    """A new input."""

    letters: int = 1
    streamed: bool = False
    durability: Durability = "sync"


@dataclass(frozen=True)
class Answer:
    """Answers to all open questions or the first one; without any, the thread just goes on."""

    which: Literal["all", "first"] = "all"
    durability: Durability = "sync"


@dataclass(frozen=True)
class Update:
    """An update of the newest state, in the name of a node."""

    node: int = 0
    plain: bool = False


@dataclass(frozen=True)
class Fork:
    """The thread goes on from one of its checkpoints; `update`: with an update there."""

    at: int = 0
    update: bool = False
    node: int = 0


@dataclass(frozen=True)
class Settle:
    """The thread goes on until it is done."""


Act: TypeAlias = Turn | Answer | Update | Fork | Settle
DURABILITIES: st.SearchStrategy[Durability] = st.sampled_from(["sync", "async", "exit"])
TURNS = st.builds(Turn, st.integers(0, 2), st.booleans(), DURABILITIES)
ACTS: st.SearchStrategy[Act] = st.one_of(
    TURNS,
    st.builds(Answer, st.sampled_from(["all", "first"]), DURABILITIES),
    st.builds(Update, st.integers(0, 5), st.booleans()),
    st.builds(Fork, st.integers(0, 12), st.booleans(), st.integers(0, 5)),
)
SCRIPTS: st.SearchStrategy[tuple[Act, ...]] = st.builds(
    lambda first, rest: (first, *rest), TURNS, st.lists(ACTS, max_size=3)
)


def orderly(script: Sequence[Act]) -> tuple[Act, ...]:
    """Return the script with a done thread before each update and fork.

    Beside an open step they would plan nodes to run side by side that the description puts one after the other.
    """
    return tuple(one for act in script for one in ([Settle(), act] if isinstance(act, Update | Fork) else [act]))


class Player:
    """Plays acts on one thread of a graph."""

    def __init__(self, nodes: Sequence[str], *, workers: int | None = None, config: Any = None) -> None:
        self.nodes = nodes
        self.config: Any = {
            **(config or {"configurable": {"thread_id": THREAD}}),
            "max_concurrency": workers,
        }
        self.returned: list[Any] = []
        """What the calls that run the graph have returned, or streamed (a list)."""

    def play(self, act: Act) -> Play[None]:
        """Play one act."""
        match act:
            case Turn(letters, streamed, durability):
                given = {"letters": [{"n": one} for one in range(letters)], "trace": ["in"], "text": "x" * 70}
                yield from self.advance(given, self.config, durability, streamed=streamed)
            case Answer(which, durability):
                yield from self.answer(which, durability)
            case Update(node, plain):
                yield from self._update(self.config, node, plain)
            case Fork(at, update, node):
                yield from self._fork(at, update, node)
            case Settle():
                yield from self.settle()
            case _:
                assert_never(act)

    def settle(self) -> Play[dict[str, Any]]:
        """Answer and go on until the thread is done; return its state."""
        for _ in range(PATIENCE):
            state: StateSnapshot = yield Do("get_state", (self.config,), {})
            if not state.next and not state.interrupts:
                return dict(state.values)
            yield from self.answer("all", "sync")
        raise AssertionError(f"the thread is not done after {PATIENCE} calls: {state}")

    def go_on(self) -> Play[None]:
        """Go on from where the log ends."""
        yield from self.advance(None, self.config, "sync")

    def answer(self, which: Literal["all", "first"], durability: Durability) -> Play[None]:
        """Answer what is open, or go on with what is."""
        state: StateSnapshot = yield Do("get_state", (self.config,), {})
        asked = state.interrupts if which == "all" else state.interrupts[:1]
        command: Command[str]
        if len(asked) == 1 == len(state.interrupts):
            command = Command(resume=f"re {asked[0].value}")
            yield from self.advance(command, self.config, durability)
        elif asked:
            command = Command(resume={one.id: f"re {one.value}" for one in asked})
            yield from self.advance(command, self.config, durability)
        elif state.next:
            yield from self.advance(None, self.config, durability)

    def advance(self, given: Any, config: Any, durability: Durability, *, streamed: bool = False) -> Play[None]:
        """Run the thread until it waits or is done, whatever fails."""
        for _ in range(PATIENCE):
            try:
                method, options = ("stream", {"stream_mode": ["values", "updates"]}) if streamed else ("invoke", {})
                returned = yield Do(method, (given, config), {"durability": durability, **options})
                self.returned.append(deepcopy(returned))
                return
            except (FlakyError, InterruptedError):
                given, config = None, self.config
            except InvalidUpdateError as error:
                _must_be_clash(error)
                # After an update beside an open step, nodes that the description puts one after the other may run side
                # by side, and write one plain channel: a refusal that is right, and that no call gets past.
                reject()
        raise AssertionError(f"the run fails for the {PATIENCE}th time")

    def _fork(self, at: int, update: bool, node: int) -> Play[None]:
        history: list[StateSnapshot] = yield Do("get_state_history", (self.config,), {})
        if not history:
            return
        chosen: Any = {**history[-1 - at % len(history)].config, "max_concurrency": self.config["max_concurrency"]}
        if update:
            yield from self._update(chosen, node, False)
        else:
            yield from self.advance(None, chosen, "sync")

    def _update(self, config: Any, node: int, plain: bool) -> Play[None]:
        values: dict[str, Any] = {"trace": ["update"], "facts": {"update": node}}
        if plain:
            values["letters"] = [{"n": -1}]
        try:
            yield Do("update_state", (config, values, self.nodes[node % len(self.nodes)]), {})
        except InvalidUpdateError as error:  # a finished task of the open step has written the plain channel, too
            _must_be_clash(error)


def _must_be_clash(error: InvalidUpdateError) -> None:
    """Raise any refusal but the one of several writers of one plain channel."""
    if "times in one superstep, and holds one value only" not in str(error):
        raise error


def perform(flow: Play[T], graph: CompiledGraph) -> T:
    """Play a flow with the graph's sync methods."""
    try:
        do = next(flow)
        while True:
            try:
                reply = getattr(graph, do.method)(*do.args, **do.options)
                if do.method in ("stream", "get_state_history"):
                    reply = [deepcopy(one) for one in reply]  # as it comes: what is nested is shared with warm state
            except REFUSALS as error:
                do = flow.throw(error)
            else:
                do = flow.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def aperform(flow: Play[T], graph: CompiledGraph) -> T:
    """Play a flow with the graph's async methods."""
    try:
        do = next(flow)
        while True:
            try:
                called = getattr(graph, "a" + do.method)(*do.args, **do.options)
                if do.method in ("stream", "get_state_history"):
                    reply = [deepcopy(one) async for one in called]
                else:
                    reply = await called
            except REFUSALS as error:
                do = flow.throw(error)
            else:
                do = flow.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
