"""The handle of a thread: every method, in both worlds, on every saver."""

import operator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.errors import UnknownInterruptError, UsageError
from perdure.events import Forked, InterruptResolved, RunStarted, StateUpdated
from perdure.thread import Thread
from tests.acceptance.both_worlds import World
from tests.acceptance.untouched import untouched

pytestmark = pytest.mark.anyio


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


def write(state: State) -> State:
    return {"text": f"on {state.get('text', '')}", "log": ["write"]}


def review(state: State) -> State:
    return {"log": [f"review: {interrupt({'text': state['text']})}"]}


@pytest.fixture
def graph(saver: Saver) -> CompiledGraph:
    builder = StateGraph(State).add_node("write", write).add_node("review", review)
    return builder.add_edge(START, "write").add_edge("write", "review").add_edge("review", END).compile(saver)


@pytest.fixture
def thread(graph: CompiledGraph) -> Thread:
    """A thread that waits for an answer."""
    thread = graph.thread("t", actor="ada")
    thread.invoke({"text": "cats", "log": []})
    return thread


async def test_invoke_and_resume(graph: CompiledGraph, world: World) -> None:
    """`invoke` runs up to the question, `resume` answers it."""
    thread = graph.thread("t")
    paused = await world(thread, "invoke", {"text": "cats", "log": []})
    assert paused["__interrupt__"][0].value == {"text": "on cats"}
    assert await world(thread, "resume", "good") == {"text": "on cats", "log": ["write", "review: good"]}


async def test_invoke_without_input_goes_on(thread: Thread, world: World) -> None:
    """Like `invoke(None)`: the question is asked again, nothing else runs."""
    paused = await world(thread, "invoke")
    assert [one.value for one in paused["__interrupt__"]] == [{"text": "on cats"}]
    assert paused["log"] == ["write"]


async def test_stream(graph: CompiledGraph, world: World) -> None:
    """Parts of the modes asked for; updates if none is."""
    thread = graph.thread("t")
    parts = await world(thread, "stream", {"text": "cats", "log": []})
    assert parts[0] == {"write": {"text": "on cats", "log": ["write"]}}
    assert list(parts[1]) == ["__interrupt__"]
    assert await world(thread, "stream", None, stream_mode="values") == [
        {"text": "on cats", "log": ["write"]},
        {"text": "on cats", "log": ["write"], "__interrupt__": parts[1]["__interrupt__"]},
    ]


async def test_pending_and_resume_by_id(thread: Thread, world: World) -> None:
    """The open questions, by the ids under which they can be answered."""
    (question,) = await world(thread, "pending")
    assert question.value == {"text": "on cats"}
    assert (await world(thread, "resume", {question.id: "fine"}))["log"] == ["write", "review: fine"]
    assert await world(thread, "pending") == ()


async def test_state_now_and_then(thread: Thread, world: World) -> None:
    """Without `at` the newest state; with it the checkpoint, by id or by its snapshot."""
    now = await world(thread, "state")
    assert (now.values["text"], now.next) == ("on cats", ("review",))
    oldest = (await world(thread, "history"))[-1]
    for at in (oldest.config["configurable"]["checkpoint_id"], oldest):
        then = await world(thread, "state", at=at)
        assert (then.values, then.next) == ({"log": []}, (START,))


async def test_history(thread: Thread, world: World) -> None:
    """Newest first; by metadata, and at most so many."""
    assert [one.next for one in await world(thread, "history")] == [("review",), ("write",), (START,)]
    assert [one.metadata["step"] for one in await world(thread, "history", limit=2)] == [1, 0]
    assert [one.next for one in await world(thread, "history", filter={"source": "input"})] == [(START,)]


async def test_events(thread: Thread, world: World) -> None:
    """The log itself: kinds, gapless seqs, who and when."""
    events = await world(thread, "events")
    kinds = [event.kind for event in events]
    assert kinds[:2] == ["RunStarted", "StepCommitted"]
    assert kinds[-4:] == ["TaskSucceeded", "StepCommitted", "TaskInterrupted", "RunFinished"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.actor for event in events} == {"ada"}
    assert {event.branch for event in events} == {"main"}
    assert all(timedelta() <= datetime.now(UTC) - event.at < timedelta(minutes=1) for event in events)
    assert [event.seq for event in await world(thread, "events", after=3, limit=2)] == [4, 5]
    assert await world(thread, "events", after=len(events)) == []


async def test_update(thread: Thread, world: World) -> None:
    """A write from outside speaks for a node, and is signed."""
    config = await world(thread, "update", {"text": "dogs"}, as_node="write", reason="typo")
    assert (await world(thread, "state")).config == config
    (update,) = [one for one in await world(thread, "events") if isinstance(one.event, StateUpdated)]
    assert (update.event.as_node, update.event.reason, update.actor) == ("write", "typo", "ada")
    assert (await world(thread, "resume", "ok"))["text"] == "dogs"


async def test_update_of_the_past_begins_a_branch(thread: Thread, world: World) -> None:
    """What stood there stays; the update's branch is the current one."""
    before = await world(thread, "events")
    start = (await world(thread, "history"))[-2]
    await world(thread, "update", {"text": "dogs", "log": []}, as_node=START, at=start)
    assert await world(thread, "events", branch="main") == before
    assert len(await world(thread, "branches")) == 2
    assert (await world(thread, "state")).values["text"] == "dogs"
    assert (await world(thread, "invoke"))["text"] == "on dogs"


async def test_fork(thread: Thread, world: World) -> None:
    """A fork is a handle of its own branch: it runs there, and the first branch keeps every byte."""
    before = await world(thread, "events")
    start = (await world(thread, "history"))[-2]
    fork = await world(thread, "fork", start, name="what if", reason="to see")
    assert fork.branch != thread.branch
    paused = await world(fork, "invoke")
    assert [one.value for one in paused["__interrupt__"]] == [{"text": "on cats"}]
    assert (await world(fork, "resume", "bad"))["log"] == ["write", "review: bad"]
    assert await world(thread, "events", branch="main") == before
    main, side = await world(thread, "branches")
    assert (main.id, main.parent, main.name) == ("main", None, None)
    assert (side.id, side.parent, side.name) == (fork.branch, "main", "what if")
    (forked,) = [one for one in await world(fork, "events") if isinstance(one.event, Forked)]
    assert (forked.event.name, forked.event.reason, forked.actor) == ("what if", "to see", "ada")
    assert [one.seq for one in await world(fork, "events")] == list(range(1, side.head_seq + 1))


async def test_two_branches_go_on_by_turns(graph: CompiledGraph, thread: Thread, world: World) -> None:
    """Each branch asks its own question; an answer on one is none on the other, whichever is current."""
    main = Thread(graph, "t", branch="main")
    fork = await world(thread, "fork", await world(thread, "state"), name="side")
    assert await world(fork, "pending") == ()
    (theirs,) = (await world(fork, "invoke"))["__interrupt__"]
    (ours,) = await world(main, "pending")
    assert theirs.id != ours.id
    with pytest.raises(UnknownInterruptError):
        await world(main, "resume", {theirs.id: "x"})
    assert (await world(main, "resume", "main"))["log"] == ["write", "review: main"]
    assert (await world(fork, "resume", "fork"))["log"] == ["write", "review: fork"]
    assert (await world(main, "state")).values["log"] == ["write", "review: main"]
    assert (await world(thread, "state")).values["log"] == ["write", "review: fork"]
    assert (await world(thread, "verify")).ok


async def test_history_of_one_branch(thread: Thread, world: World) -> None:
    """All branches together, or one line of history from its newest checkpoint back to the first."""
    start = (await world(thread, "history"))[-2]
    fork = await world(thread, "fork", start)
    await world(fork, "invoke")
    main = await world(thread, "history", branch="main")
    side = await world(thread, "history", branch=fork.branch)
    assert [one.next for one in main] == [("review",), ("write",), (START,)]
    assert [one.metadata["source"] for one in side] == ["loop", "fork", "loop", "input"]
    assert side[-1] == main[-1]
    together = await world(thread, "history")
    assert len(together) == 5


async def test_who_and_why_are_recorded(graph: CompiledGraph, world: World) -> None:
    """The handle signs what it does; an option names somebody else for one call; the reason stands with the answer."""
    await world(graph.thread("t", actor="ada"), "invoke", {"text": "cats", "log": []})
    await world(graph.thread("t", actor="bob"), "resume", "good", reason="read it twice")
    await world(graph.thread("t", actor="bob"), "invoke", {"text": "more"}, actor="cron")
    events = await world(graph.thread("t"), "events")
    started = [one.actor for one in events if isinstance(one.event, RunStarted)]
    (answered,) = [one for one in events if isinstance(one.event, InterruptResolved)]
    assert started == ["ada", "bob", "cron"]
    assert (answered.actor, answered.event.answer, answered.event.reason) == ("bob", "good", "read it twice")


async def test_unknown_thread_is_empty(graph: CompiledGraph, saver: Saver, world: World) -> None:
    """A handle creates nothing by being made or looked through."""
    with untouched(saver):
        thread = graph.thread("new")
        assert (await world(thread, "state")).next == ()
        assert await world(thread, "history") == []
        assert await world(thread, "events") == []
        assert await world(thread, "branches") == []
        assert await world(thread, "pending") == ()
        assert (await world(thread, "verify")).ok
    assert saver.list_threads() == []


async def test_handle_needs_a_saver(world: World) -> None:
    """A graph that keeps nothing has no threads to look at."""
    graph = StateGraph(State).add_node("write", write).add_edge(START, "write").compile()
    with pytest.raises(UsageError, match="No checkpointer set"):
        await world(graph.thread("t"), "state")


def test_config_addresses_the_thread(graph: CompiledGraph, thread: Thread) -> None:
    """What the handle does can be done with its config, too."""
    place: Any = thread.config
    assert graph.get_state(place) == thread.state()
