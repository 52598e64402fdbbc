"""A run that ends between a node and its router: what the node returned counts, and the router decides again."""

import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from perdure_sqlite import SqliteSaver
from tests.acceptance.recorded import nodes_done
from tests.acceptance.routed import CONFIG, Fate, routed, run
from tests.acceptance.worlds import WORLDS, World

END = {"steps": ["work", "right"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def attempt(folder: Path, fate: Fate, input: Any, world: World) -> None:
    run(folder / "log.db", folder / "side", fate, input, world)


def killed(folder: Path, input: Any, world: World) -> None:
    """Run in a process that its router kills."""
    child = get_context("spawn").Process(target=attempt, args=(folder, "kill", input, world))
    child.start()
    try:
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    finally:
        child.kill()
        child.join()
        child.close()


def ran(folder: Path) -> list[str]:
    return (folder / "side").read_text().splitlines()


def check_end(folder: Path) -> None:
    with SqliteSaver(folder / "log.db") as saver:
        thread = routed(saver, folder / "side", "route").thread("routed")
        assert thread.state().values == END
        assert thread.state().next == ()
        assert nodes_done(thread) == ["work", "right"]
        assert thread.verify()


@pytest.mark.parametrize("world", WORLDS)
def test_a_router_that_raised_is_all_that_runs_again(folder: Path, world: World) -> None:
    """The node's result is kept with the router's error; going on asks the router only, which sees that result."""
    with pytest.raises(OSError, match="model is down"):
        attempt(folder, "raise", {"steps": []}, world)
    with SqliteSaver(folder / "log.db") as saver:
        state = routed(saver, folder / "side", "route").get_state(CONFIG)
        assert state.next == ("work",)
        assert "model is down" in str(state.tasks[0].error)
    with pytest.raises(OSError, match="model is down"):
        attempt(folder, "raise", None, world)
    attempt(folder, "route", None, world)
    assert ran(folder) == ["work", "route work", "route work", "route work"]
    check_end(folder)


@pytest.mark.parametrize("world", WORLDS)
def test_a_kill_in_the_router_keeps_a_result_that_was_recorded(folder: Path, world: World) -> None:
    """After a router's error the node's result is durable: a kill in the router's next attempt does not lose it."""
    with pytest.raises(OSError, match="model is down"):
        attempt(folder, "raise", {"steps": []}, world)
    killed(folder, None, world)
    attempt(folder, "route", None, world)
    assert ran(folder) == ["work", "route work", "route work", "route work"]
    check_end(folder)


@pytest.mark.parametrize("world", WORLDS)
def test_a_kill_between_node_and_router_never_skips_the_router(folder: Path, world: World) -> None:
    """A task is its node and its routers: killed between them it had not finished, and it runs again as a whole. The
    run does not end there as if nothing came after the node.
    """
    killed(folder, {"steps": []}, world)
    attempt(folder, "route", None, world)
    assert ran(folder) == ["work", "route work", "work", "route work"]
    check_end(folder)
