"""What user code holds is its own: the engine keeps copies, so nobody changes an answer, an input or a state later."""

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Command, CompiledGraph, RetryPolicy, Saver, Send, StateGraph, interrupt
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}


class Log(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Items(TypedDict, total=False):
    items: list[Any]
    told: str


def is_what_the_log_holds(graph: CompiledGraph, builder: StateGraph, saver: Saver, values: Any) -> None:
    """Assert that a warm graph, and one that knows only the log, show this state."""
    assert graph.get_state(PLACE).values == values
    assert builder.compile(saver, warm=False).get_state(PLACE).values == values


@pytest.mark.parametrize("warm", [True, False])
async def test_an_answer_that_the_node_took_apart(saver: Saver, world: World, warm: bool) -> None:
    """A node pops from its answer; when it runs again for the next question, the answer is whole again."""

    def ask(state: Log) -> Log:
        first = interrupt("first")
        comment = first.pop("comment")
        first["rest"].clear()
        return {"log": [comment, interrupt("second"), first]}

    graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").compile(saver, warm=warm)
    given = {"comment": "good", "rest": [1]}
    await world(graph, "invoke", {"log": []}, PLACE)
    await world(graph, "invoke", Command(resume=given), PLACE)
    assert given == {"comment": "good", "rest": [1]}
    assert await world(graph, "invoke", Command(resume="yes"), PLACE) == {"log": ["good", "yes", {"rest": []}]}


async def test_an_input_that_a_failed_attempt_took_apart(saver: Saver, world: World) -> None:
    """Each attempt of a task gets the sent input as it was sent."""
    seen: list[Any] = []

    def flaky(sent: dict[str, Any]) -> Log:
        seen.append((sent.pop("x"), sent["deep"].pop()))
        if len(seen) == 1:
            raise ConnectionError("down")
        return {"log": [seen[-1]]}

    builder = StateGraph(Log).add_node("send", lambda state: Command(goto=[Send("flaky", {"x": 1, "deep": [2]})]))
    builder.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    graph = builder.add_edge(START, "send").compile(saver)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [(1, 2)]}
    assert seen == [(1, 2), (1, 2)]


async def test_one_dict_sent_three_times(saver: Saver, world: World) -> None:
    """Three tasks that are sent one dict have three; the sender's stays as it was."""
    shared: dict[str, Any] = {"seen": [0]}

    def work(sent: dict[str, Any]) -> Log:
        sent["seen"].append(len(sent["seen"]))
        sent["more"] = sent.get("more", 0) + 1
        return {"log": [[*sent["seen"], sent["more"]]]}

    builder = StateGraph(Log).add_node("send", lambda state: Command(goto=[Send("work", shared)] * 3))
    graph = builder.add_node("work", work).add_edge(START, "send").compile(saver)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [[0, 1, 1]] * 3}
    assert shared == {"seen": [0]}


async def test_an_input_that_its_caller_changes_later(saver: Saver, world: World) -> None:
    """What was passed to `invoke` and what it returned belong to the caller."""
    builder = StateGraph(Items).add_node("tell", lambda state: {"told": str(state["items"])}).add_edge(START, "tell")
    graph = builder.compile(saver)
    given: Items = {"items": [1]}
    returned = await world(graph, "invoke", given, PLACE)
    returned["items"].append("evil")
    given["items"].append("evil")
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "[1]"})


def paused() -> StateGraph:
    """Return a graph where `list` succeeds beside `ask`, which waits."""
    builder = StateGraph(Items).add_node("list", lambda state: {"items": [1]})
    builder.add_node("ask", lambda state: {"told": interrupt("?")})
    return builder.add_edge(START, "list").add_edge(START, "ask")


async def test_a_pending_result_that_a_reader_changes(saver: Saver, world: World) -> None:
    """`get_state().tasks[i].result` is a copy: what a reader does to it does not come into the state."""
    builder = paused()
    graph = builder.compile(saver)
    await world(graph, "invoke", {}, PLACE)
    found = [task.result for task in (await world(graph, "get_state", PLACE)).tasks if task.result]
    assert found == [{"items": [1]}]
    found[0]["items"].append("evil")
    assert await world(graph, "invoke", Command(resume="x"), PLACE) == {"items": [1], "told": "x"}
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "x"})


async def test_a_state_that_a_reader_changes(saver: Saver, world: World) -> None:
    """`get_state().values` is a copy, too."""
    builder = paused()
    graph = builder.compile(saver)
    await world(graph, "invoke", {"items": [0]}, PLACE)
    (await world(graph, "get_state", PLACE)).values["items"].append("evil")
    assert (await world(graph, "get_state", PLACE)).values == {"items": [1]}
    await world(graph, "invoke", Command(resume="x"), PLACE)
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "x"})


@pytest.mark.parametrize("mode", ["updates", "values"])
async def test_a_part_that_its_reader_changes(saver: Saver, mode: Any) -> None:
    """A streamed part is its reader's: the step that it tells of is committed as the nodes returned it."""
    builder = StateGraph(Items).add_node("list", lambda state: {"items": [1]})
    builder.add_node("tell", lambda state: {"told": str(state["items"])})
    builder.add_edge(START, "list").add_edge("list", "tell")
    graph = builder.compile(saver)
    for part in graph.stream({"items": [0]}, PLACE, stream_mode=mode):
        for holder in (part, *part.values()):
            if isinstance(holder, dict) and "items" in holder:
                holder["items"].append("evil")
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "[1]"})


async def test_a_part_changed_before_its_step_ends(saver: Saver) -> None:
    """The same while a sibling still runs: it returns only when the reader has changed the part."""
    changed = threading.Event()

    def late(state: Items) -> Items:
        assert changed.wait(20)
        return {"told": "x"}

    builder = StateGraph(Items).add_node("list", lambda state: {"items": [1]}).add_node("late", late)
    builder.add_edge(START, "list").add_edge(START, "late")
    graph = builder.compile(saver)
    for part in graph.stream({}, PLACE, stream_mode="updates"):
        if "list" in part:
            part["list"]["items"].append("evil")
            changed.set()
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "x"})


async def test_a_list_that_a_node_keeps(saver: Saver) -> None:
    """A node returns a list that it keeps; a sibling changes it after it was returned, before the step ends."""
    kept: list[Any] = [1]
    returned = threading.Event()

    def late(state: Items) -> Items:
        assert returned.wait(20)
        kept.append("evil")
        return {"told": "x"}

    builder = StateGraph(Items).add_node("list", lambda state: {"items": kept}).add_node("late", late)
    builder.add_edge(START, "list").add_edge(START, "late")
    graph = builder.compile(saver)
    for part in graph.stream({}, PLACE, stream_mode="updates"):
        if "list" in part:
            returned.set()
    is_what_the_log_holds(graph, builder, saver, {"items": [1], "told": "x"})


async def test_items_changed_on_the_way_into_a_graph(saver: Saver, world: World) -> None:
    """A node changes an item, hands it to a graph inside and returns it: the log holds what the graph was given."""
    inner = StateGraph(Items).add_node("keep", lambda state: {"told": interrupt(str(state["items"]))})
    inside = inner.add_edge(START, "keep").compile()

    def change(state: Items) -> Items:
        state["items"][0]["n"] = 1
        return {"items": state["items"], "told": inside.invoke({"items": state["items"]})["told"]}

    builder = StateGraph(Items).add_node("change", change).add_edge(START, "change")
    graph = builder.compile(saver, strict_state=True)
    asked = (await world(graph, "invoke", {"items": [{"n": 0}]}, PLACE))["__interrupt__"]
    assert [one.value for one in asked] == ["[{'n': 1}]"]
    await world(graph, "invoke", Command(resume="yes"), PLACE)
    is_what_the_log_holds(graph, builder, saver, {"items": [{"n": 1}], "told": "yes"})
