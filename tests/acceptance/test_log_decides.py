"""The log decides: damaged or stale projections and snapshots of another history are not believed."""

import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Saver, StateGraph
from perdure.errors import MutatedStateError
from perdure_sqlite import SqliteSaver
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
LARGE = "x" * 100_000
"""Enough for a snapshot."""


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def single(node: Any, name: str = "node") -> StateGraph:
    return StateGraph(State).add_node(name, node).add_edge(START, name)


async def test_changed_state_is_not_remembered(saver: Saver, world: World) -> None:
    """After a MutatedStateError the state that this process shows is the log's, not the damaged one."""

    def damage(state: State) -> State:
        state["log"][0].append("damage")
        return {}

    builder = single(lambda state: {"log": [["first"]]}, "first").add_node("damage", damage).add_edge("first", "damage")
    graph = builder.compile(saver, strict_state=True)
    with pytest.raises(MutatedStateError):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert (await world(graph, "get_state", PLACE)).values == {"log": [["first"]]}
    assert graph.thread("t").verify().ok


async def test_another_process_made_a_branch_current(database: Path, world: World) -> None:
    """What a saver remembers of a thread is loaded anew when another one's fork became the current branch."""
    builder = single(lambda state: {"log": [f"ran {len(state['log'])}"]})
    with SqliteSaver(database) as saver, SqliteSaver(database) as other:
        here, there = builder.compile(saver), builder.compile(other)
        await world(here, "invoke", {"log": ["main"]}, PLACE)
        first = (await world(there, "get_state_history", PLACE))[-1]
        forked = await world(there, "update_state", first.config, {"log": ["fork"]}, as_node="node")
        await world(there, "invoke", {"log": ["go"]}, forked)
        values = (await world(there, "get_state", PLACE)).values
        assert "main" not in values["log"]
        assert (await world(here, "get_state", PLACE)).values == values
        done = await world(here, "invoke", {"log": ["on"]}, PLACE)
        assert done["log"][: len(values["log"]) + 1] == [*values["log"], "on"]
        assert done == (await world(there, "get_state", PLACE)).values


async def test_a_snapshot_that_the_log_does_not_confirm(saver: Saver, world: World) -> None:
    """A snapshot of another history, left over at the same place, is not believed."""
    for text in ("real", "false"):
        place: Any = {"thread_id": text}
        graph = single(lambda state, text=text: {"log": [text + LARGE]}).compile(saver, warm=False)
        await world(graph, "invoke", {"log": []}, place)
    false = saver.get_snapshot("false", "main", upto=1_000)
    assert false is not None
    saver.drop_snapshots("real")
    saver.put_snapshot("real", false)
    place = {"thread_id": "real"}
    assert (await world(graph, "get_state", place)).values == {"log": ["real" + LARGE]}
    assert (await world(graph, "invoke", {"log": []}, place))["log"] == ["real" + LARGE, "false" + LARGE]
