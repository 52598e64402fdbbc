"""A graph with a router that can fail or kill its process, and the process that is killed by it."""

import operator
import os
import signal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, TypedDict

from perdure import START, CompiledGraph, StateGraph
from perdure.ports import Saver
from perdure_sqlite import SqliteSaver
from tests.acceptance.worlds import World, invoke

CONFIG: Final[Any] = {"thread_id": "routed"}
Fate: TypeAlias = Literal["raise", "kill", "route"]


class Routed(TypedDict):
    steps: Annotated[list[str], operator.add]


def routed(saver: Saver, side: Path, fate: Fate) -> CompiledGraph:
    """A node, and a router behind it that sees what the node returned. Both say in the side file that they ran."""

    def say(word: str) -> None:
        with side.open("a", buffering=1) as file:
            file.write(word + "\n")

    def work(_: Routed) -> dict[str, list[str]]:
        say("work")
        return {"steps": ["work"]}

    def route(state: Routed) -> str:
        say(f"route {state['steps'][-1]}")
        if fate == "raise":
            raise OSError("the router's model is down")
        if fate == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return "right"

    builder = StateGraph(Routed)
    builder.add_node("work", work)
    builder.add_node("left", lambda _: {"steps": ["left"]})
    builder.add_node("right", lambda _: {"steps": ["right"]})
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", route, ["left", "right"])
    return builder.compile(saver)


def run(path: Path, side: Path, fate: Fate, input: Any, world: World) -> None:
    """Run the graph in this process."""
    with SqliteSaver(path) as saver:
        invoke(routed(saver, side, fate), input, CONFIG, world)
