"""A described graph on a saver, played: what the laws are stated about."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from perdure import CompiledGraph, StateSnapshot
from perdure.call import Settings
from perdure.ports import Saver
from tests.laws.descriptions import Graph
from tests.laws.graphs import Flavour, build, node_names
from tests.laws.scripts import Act, Player, perform
from tests.laws.world import World

CALM = Settings(warm=False, strict=False)


class Played:
    """A graph, its world and its player, on one saver."""

    def __init__(
        self,
        graph: Graph,
        saver: Saver,
        *,
        settings: Settings | None = None,
        flavour: Flavour = "sync",
        workers: int | None = None,
    ) -> None:
        self.graph = graph
        self.saver = saver
        self.world = World()
        self.app = build(
            graph, self.world, replace(settings or Settings(), saver=saver), flavour=flavour, workers=workers
        )
        self.player = Player(node_names(graph), workers=workers)

    def play(self, script: Sequence[Act]) -> dict[str, Any]:
        """Play a script to its end, and on until the thread is done; return its state."""
        for act in script:
            perform(self.player.play(act), self.app)
        return perform(self.player.settle(), self.app)

    def state(self, config: Any = None) -> StateSnapshot:
        """Return the newest state, or an addressed one."""
        return self.app.get_state(config or self.player.config)

    def history(self) -> list[StateSnapshot]:
        """Return all checkpoints, newest first."""
        return list(self.app.get_state_history(self.player.config))


def reader(graph: Graph, saver: Saver) -> CompiledGraph:
    """Return the graph as another process would build it, on a saver; it keeps nothing in memory."""
    return build(graph, World(), replace(CALM, saver=saver))
