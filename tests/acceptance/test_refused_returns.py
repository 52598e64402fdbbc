"""Nodes that return what cannot be applied: the step fails with one typed error, is recorded, and can be run again.

In each case another node of the same step has finished; what it did is never lost and never done twice.
"""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from perdure import END, START, Command, Overwrite, Saver, Send, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.errors import EncodeError, InvalidUpdateError, TaskError, UnknownNodeError
from perdure.events import RunFinished, TaskFailed
from tests.acceptance.untouched import head

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
UNSTORABLE = object()


class State(TypedDict, total=False):
    plain: Any
    log: Annotated[list[Any], operator.add]


class Nodes:
    """Two nodes side by side: `work` does what `do` says, `beside` counts how often it ran."""

    def __init__(self) -> None:
        self.do: Callable[[], Any] = dict
        self.route: Any = END
        self.beside_ran = 0

    def work(self, state: State) -> Any:
        return self.do()

    def beside(self, state: State) -> State:
        self.beside_ran += 1
        return {"log": ["beside"]}

    def choose(self, state: State) -> Any:
        return self.route

    def graph(self, saver: Saver) -> CompiledGraph:
        builder = StateGraph(State).add_node("work", self.work).add_node("beside", self.beside)
        builder.add_edge(START, "work").add_edge(START, "beside").add_conditional_edges("work", self.choose)
        return builder.compile(saver)


RETURNS: list[tuple[str, Callable[[], Any], type[TaskError], str]] = [
    (
        "unknown key",
        lambda: {"plian": 1},
        InvalidUpdateError,
        r"Node 'work'.*unknown key 'plian'.*did you mean 'plain'",
    ),
    ("list", lambda: [1, 2], InvalidUpdateError, r"Node 'work'.*must be a dict of state keys.*found list"),
    ("text", lambda: "done", InvalidUpdateError, "Node 'work'.*found str"),
    ("generator", lambda: (one for one in "ab"), InvalidUpdateError, "Node 'work'.*found generator"),
    ("goto nowhere", lambda: Command(goto="besides"), UnknownNodeError, "no node 'besides'.*Did you mean 'beside'"),
    ("goto START", lambda: Command(goto=START), UnknownNodeError, "no node '__start__'"),
    ("goto a number", lambda: Command(goto=5), UnknownNodeError, "no node 5"),
    ("send nowhere", lambda: Command(goto=[Send("besides", 1)]), UnknownNodeError, "no node 'besides'"),
    ("send to END", lambda: Command(goto=Send(END, 1)), UnknownNodeError, "no node '__end__'"),
    ("command with an unknown key", lambda: Command(update={"plian": 1}), InvalidUpdateError, "unknown key 'plian'"),
    ("command for no graph", lambda: Command(graph=Command.PARENT, update={}), InvalidUpdateError, "parent|around"),
    ("command for an unknown graph", lambda: Command(graph="other", update={"plain": 1}), InvalidUpdateError, "other"),
    ("unstorable", lambda: {"plain": {"a": [0, UNSTORABLE]}}, EncodeError, r"\$\.plain\.a\[1\].*object"),
    ("unstorable, reduced", lambda: {"log": ["x", UNSTORABLE]}, EncodeError, r"\$\.log\[1\]"),
    ("unstorable in a Send", lambda: Command(goto=Send("beside", {"a": UNSTORABLE})), EncodeError, r"\$.*\.a\b"),
    ("unstorable question", lambda: {"plain": interrupt({"q": [UNSTORABLE]})}, EncodeError, r"\$.*\.q\[0\]"),
]
IDS = [case[0] for case in RETURNS]


@pytest.mark.parametrize(("do", "error", "found"), [case[1:] for case in RETURNS], ids=IDS)
@pytest.mark.parametrize("world", ["sync", "async"])
async def test_wrong_return(
    saver: Saver, world: str, do: Callable[[], Any], error: type[TaskError], found: str
) -> None:
    """The caller gets the error, the log has it, and `invoke(None)` runs the node again once it is mended."""
    nodes = Nodes()
    nodes.do = do
    graph = nodes.graph(saver)
    with pytest.raises(error, match=found):
        _ = graph.invoke({"log": []}, PLACE) if world == "sync" else await graph.ainvoke({"log": []}, PLACE)
    events = [logged.event for logged in graph.thread("t").events()]
    (failed,) = [event for event in events if isinstance(event, TaskFailed)]
    assert (failed.node, failed.attempt, failed.retried) == ("work", 1, False)
    assert failed.error.rpartition(".")[2] == error.__name__
    assert isinstance(events[-1], RunFinished)
    assert events[-1].status == "failed"
    assert "work" in graph.get_state(PLACE).next
    nodes.do = lambda: {"plain": "mended", "log": ["work"]}
    result = graph.invoke(None, PLACE) if world == "sync" else await graph.ainvoke(None, PLACE)
    assert result == {"plain": "mended", "log": ["beside", "work"]}
    assert graph.thread("t").verify().ok


ROUTES: list[tuple[str, Any, type[TaskError], str]] = [
    ("unknown node", "besides", UnknownNodeError, "no node 'besides'.*Did you mean 'beside'"),
    ("None", None, InvalidUpdateError, "'choose' returned None: it must name a node, END or Send"),
    ("START", START, InvalidUpdateError, "must name a node, END or Send"),
    ("unknown node in a list", ["beside", "nowhere"], UnknownNodeError, "no node 'nowhere'"),
    ("send to an unknown node", Send("nowhere", {}), UnknownNodeError, "no node 'nowhere'"),
]


@pytest.mark.parametrize(("route", "error", "found"), [case[1:] for case in ROUTES], ids=[case[0] for case in ROUTES])
def test_wrong_route_does_not_run_the_node_again(saver: Saver, route: Any, error: type[TaskError], found: str) -> None:
    """What the node returned is recorded with its router's failure: going on asks the router only."""
    nodes = Nodes()
    runs = iter([{"plain": "kept"}])
    nodes.do = lambda: next(runs)
    nodes.route = route
    graph = nodes.graph(saver)
    with pytest.raises(error, match=found):
        graph.invoke({"log": []}, PLACE)
    nodes.route = END
    assert graph.invoke(None, PLACE) == {"plain": "kept", "log": ["beside"]}
    assert next(runs, None) is None


def test_router_outside_its_map_names_the_map(saver: Saver) -> None:
    """An answer that the path map does not have is named beside those it has."""
    nodes = Nodes()
    nodes.route = "no"
    builder = StateGraph(State).add_node("work", nodes.work).add_edge(START, "work")
    graph = builder.add_conditional_edges("work", nodes.choose, {"yes": END}).compile(saver)
    with pytest.raises(UnknownNodeError, match=r"returned 'no'.*\['yes'\]"):
        graph.invoke({}, PLACE)
    nodes.route = "yes"
    assert graph.invoke(None, PLACE) == {"log": []}


def conflicting(saver: Saver, value: Callable[[str], Any], key: str = "plain") -> CompiledGraph:
    builder = StateGraph(State).add_edge(START, "a").add_edge(START, "b")
    builder.add_node("a", lambda state: {key: value("a")}).add_node("b", lambda state: {key: value("b")})
    return builder.compile(saver)


def test_two_writes_to_a_plain_key(saver: Saver) -> None:
    """The error names the key and how to declare a reducer; the thread can be looked at and started anew."""
    graph = conflicting(saver, lambda node: node)
    with pytest.raises(InvalidUpdateError, match=r"'plain' was written 2 times in one superstep.*Annotated"):
        graph.invoke({"log": ["in"]}, PLACE)
    state = graph.get_state(PLACE)
    assert state.values["log"] == ["in"]
    assert graph.thread("t").verify().ok
    assert [one.values["log"] for one in graph.get_state_history(PLACE)] == [["in"], []]
    mended = conflicting(saver, lambda node: [node], key="log")
    assert mended.invoke({"log": ["again"]}, PLACE)["log"][-2:] == ["a", "b"]


def test_two_overwrites_of_one_key(saver: Saver) -> None:
    """Two nodes cannot both replace a reduced key in one step."""
    graph = conflicting(saver, lambda node: Overwrite([node]), key="log")
    with pytest.raises(InvalidUpdateError, match="log"):
        graph.invoke({"log": ["in"]}, PLACE)
    assert graph.get_state(PLACE).values["log"] == ["in"]


def test_reducer_that_fails(saver: Saver) -> None:
    """A reducer's own error reaches the caller; what the nodes wrote is in the log."""

    class Strict(TypedDict, total=False):
        total: Annotated[int, operator.add]

    graph = StateGraph(Strict).add_node("a", lambda state: {"total": "x"}).add_edge(START, "a").compile(saver)
    with pytest.raises(TypeError):
        graph.invoke({"total": 1}, PLACE)
    assert graph.get_state(PLACE).values == {"total": 1}
    assert graph.thread("t").verify().ok


def test_node_that_is_async_only_called_sync(saver: Saver) -> None:
    """It is named, with the methods that can run it; then they do, from where the thread stands."""

    async def later(state: State) -> State:
        return {"plain": "later"}

    graph = StateGraph(State).add_node("later", later).add_edge(START, "later").compile(saver)
    with pytest.raises(TypeError, match=r"'later'.*async.*ainvoke"):
        graph.invoke({}, PLACE)
    assert graph.get_state(PLACE).next == ("later",)


async def test_async_only_node_goes_on_async(saver: Saver) -> None:
    """What a sync call could not run, an async one goes on with."""

    async def later(state: State) -> State:
        return {"plain": "later"}

    graph = StateGraph(State).add_node("later", later).add_edge(START, "later").compile(saver)
    with pytest.raises(TypeError, match="'later'"):
        graph.invoke({}, PLACE)
    before = head(saver, "t")
    assert await graph.ainvoke(None, PLACE) == {"plain": "later", "log": []}
    assert head(saver, "t") > before
