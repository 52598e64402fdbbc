"""Failed attempts: recorded one by one, tried again as the policy says, and never counted from memory alone."""

import operator
from typing import Annotated, Any, TypedDict

import pytest

from perdure import START, Command, RetryPolicy, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from perdure.events import TaskFailed, TaskSucceeded
from tests.acceptance.both_worlds import World

pytestmark = pytest.mark.anyio

PLACE: Any = {"thread_id": "t"}
QUICK = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3)


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


class Flaky:
    """A node that fails its first `failures` times."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures = failures
        self.error = error
        self.ran = 0

    def __call__(self, state: State) -> State:
        self.ran += 1
        if self.ran <= self.failures:
            raise self.error(f"try {self.ran}")
        return {"log": [self.ran]}


def built(saver: Saver, node: Any, policy: Any = QUICK) -> CompiledGraph:
    builder = StateGraph(State).add_node("node", node, retry_policy=policy)
    return builder.add_edge(START, "node").compile(saver)


def attempts(graph: CompiledGraph) -> list[tuple[int, str, bool]]:
    """Return (attempt, message, will be retried) of every recorded failure."""
    events = [logged.event for logged in graph.thread("t").events()]
    return [(one.attempt, one.message, one.retried) for one in events if isinstance(one, TaskFailed)]


async def test_attempts_are_recorded(saver: Saver, world: World) -> None:
    """Each failure is an event of its own; the success says which attempt it was."""
    graph = built(saver, Flaky(2))
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [3]}
    assert attempts(graph) == [(1, "try 1", True), (2, "try 2", True)]
    done = [one.event for one in graph.thread("t").events() if isinstance(one.event, TaskSucceeded)]
    assert done[-1].attempt == 3


async def test_last_attempt_fails_the_run(saver: Saver, world: World) -> None:
    """After `max_attempts` the error reaches the caller; going on begins to count anew."""
    node = Flaky(4)
    graph = built(saver, node)
    with pytest.raises(ConnectionError, match="try 3"):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert attempts(graph) == [(1, "try 1", True), (2, "try 2", True), (3, "try 3", False)]
    assert await world(graph, "invoke", None, PLACE) == {"log": [5]}
    assert attempts(graph)[3:] == [(1, "try 4", True)]


async def test_error_that_is_not_retried(saver: Saver, world: World) -> None:
    """Programming errors are not tried again unless the policy names them."""
    graph = built(saver, Flaky(1, ValueError))
    with pytest.raises(ValueError, match="try 1"):
        await world(graph, "invoke", {"log": []}, PLACE)
    assert attempts(graph) == [(1, "try 1", False)]


@pytest.mark.parametrize(
    "retry_on", [ValueError, (KeyError, ValueError), lambda error: "try" in str(error)], ids=["type", "types", "code"]
)
async def test_policy_says_what_is_retried(saver: Saver, world: World, retry_on: Any) -> None:
    """A type, several, or a function of the error."""
    graph = built(saver, Flaky(1, ValueError), QUICK._replace(retry_on=retry_on))
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [2]}


async def test_first_policy_that_fits_counts(saver: Saver, world: World) -> None:
    """Of several policies, the first one that knows the error."""
    policies = [QUICK._replace(retry_on=KeyError, max_attempts=9), QUICK._replace(retry_on=OSError, max_attempts=2)]
    graph = built(saver, Flaky(5), policies)
    with pytest.raises(ConnectionError, match="try 2"):
        await world(graph, "invoke", {"log": []}, PLACE)


async def test_side_by_side(saver: Saver, world: World) -> None:
    """A sister's retries hold nobody up and do not run her neighbours again."""
    flaky, steady = Flaky(2), Flaky(0)
    builder = StateGraph(State).add_node("flaky", flaky, retry_policy=QUICK).add_node("steady", steady)
    graph = builder.add_edge(START, "flaky").add_edge(START, "steady").compile(saver)
    assert await world(graph, "invoke", {"log": []}, PLACE) == {"log": [3, 1]}
    assert (flaky.ran, steady.ran) == (3, 1)


async def test_writes_of_a_failed_attempt_are_dropped(saver: Saver, world: World) -> None:
    """Only what the successful attempt returned reaches the state."""
    graph = built(saver, Flaky(2))
    await world(graph, "invoke", {"log": ["in"]}, PLACE)
    assert graph.get_state(PLACE).values == {"log": ["in", 3]}


async def test_runtime_tells_the_attempt(saver: Saver, world: World) -> None:
    """A node can ask which attempt it is."""
    seen: list[int] = []

    def node(state: State, runtime: Any) -> State:
        seen.append(runtime.execution_info.node_attempt)
        if len(seen) < 3:
            raise ConnectionError("down")
        return {}

    await world(built(saver, node), "invoke", {"log": []}, PLACE)
    assert seen == [1, 2, 3]


async def test_answers_outlive_a_retry(saver: Saver, world: World) -> None:
    """An answered question is not asked again by the next attempt."""
    flaky = Flaky(1)

    def node(state: State) -> State:
        answer = interrupt("?")
        return {"log": [answer, *flaky(state)["log"]]}

    graph = built(saver, node)
    await world(graph, "invoke", {"log": []}, PLACE)
    assert await world(graph, "invoke", Command(resume="yes"), PLACE) == {"log": ["yes", 2]}


async def test_question_is_no_failure(saver: Saver, world: World) -> None:
    """A node with a retry policy that asks pauses at once."""
    graph = built(saver, lambda state: {"log": [interrupt("?")]}, QUICK._replace(retry_on=Exception))
    assert "__interrupt__" in await world(graph, "invoke", {"log": []}, PLACE)
    assert attempts(graph) == []
