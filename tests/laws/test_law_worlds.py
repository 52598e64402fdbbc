"""Laws 5 and 9: sync, async, every durability, and a run that forgets all after each append, write the same events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import given

from perdure.call import Settings
from perdure.events import Durability
from perdure.ports import Saver
from tests.laws.canonical import canonical
from tests.laws.descriptions import Graph, graphs
from tests.laws.graphs import Flavour
from tests.laws.logs import KINDS, counted, opened, timeless
from tests.laws.runs import Played
from tests.laws.scripts import SCRIPTS, Act, Answer, Turn, aperform, orderly


class World(NamedTuple):
    """A way of running a program."""

    name: str
    is_async: bool = False
    flavour: Flavour = "sync"
    durability: Durability = "sync"
    suspending: bool = False
    warm: bool = True
    strict: bool = False


PLAIN = World("sync")
WORLDS = [
    World("durability async", durability="async"),
    World("durability exit", durability="exit"),
    World("async", is_async=True, flavour="async"),
    World("async, sync nodes", is_async=True),
    World("async, durability async", is_async=True, flavour="async", durability="async"),
    World("async, durability exit", is_async=True, flavour="async", durability="exit"),
    World("cold", warm=False),
    World("strict", strict=True),
    World("suspending", suspending=True),
    World("suspending, durability async", suspending=True, durability="async"),
    World("suspending, async", suspending=True, is_async=True, flavour="async"),
]


def run(
    world: World, graph: Graph, script: Sequence[Act], saver: Saver, settings: Settings, workers: int | None
) -> tuple[dict[str, Any], list[Any]]:
    """Play a script in one world; return the final state and all that its runs returned and streamed."""
    settings = replace(settings, suspending=world.suspending, warm=world.warm, strict=world.strict)
    played = Played(graph, saver, settings=settings, flavour=world.flavour, workers=workers)
    acts = [replace(one, durability=world.durability) if isinstance(one, Turn | Answer) else one for one in script]
    if world.is_async:
        return anyio.run(_arun, played, acts), played.player.returned
    return played.play(acts), played.player.returned


async def _arun(played: Played, acts: Sequence[Act]) -> dict[str, Any]:
    for act in acts:
        await aperform(played.player.play(act), played.app)
    return await aperform(played.player.settle(), played.app)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@given(graph=graphs(order="strict"), script=SCRIPTS.map(orderly))
def test_every_world_writes_the_same_events(world: World, graph: Graph, script: Sequence[Act]) -> None:
    """With one worker and counted ids, a program writes, returns and streams the same in every world, in order."""
    with opened("memory") as one, opened("memory") as other:
        expected = run(PLAIN, graph, script, one, counted(), 1)
        assert expected == run(world, graph, script, other, counted(), 1)
        assert timeless(one) == timeless(other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [WORLDS[0], WORLDS[2], WORLDS[-1]], ids=lambda world: world.name)
@given(graph=graphs(order="steady"), script=SCRIPTS.map(orderly))
def test_tasks_side_by_side_write_the_same_events(kind: str, world: World, graph: Graph, script: Sequence[Act]) -> None:
    """With tasks truly side by side, graphs in them too, every world writes the same events, if in any order."""
    with opened("memory") as one, opened(kind) as other:
        final, _ = run(PLAIN, graph, script, one, Settings(), None)
        again, _ = run(world, graph, script, other, Settings(), None)
        assert final == again
        assert Counter(canonical(one)) == Counter(canonical(other))
