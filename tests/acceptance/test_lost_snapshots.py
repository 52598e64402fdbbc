"""What a killed process had done and not recorded never shows: not in a snapshot, either."""

import signal
from pathlib import Path

import pytest

from perdure_sqlite import SqliteSaver
from tests.acceptance.ahead_of_log import CONFIG, LARGE, WORDS, run_ahead, speaking
from tests.acceptance.two_writers import PATIENCE, heard, process
from tests.acceptance.worlds import WORLDS, World, invoke


@pytest.mark.parametrize("world", WORLDS)
def test_no_checkpoint_shows_work_that_was_lost(tmp_path: Path, world: World) -> None:
    """With durability `async` a process is killed when it is two steps ahead of its log. Another one does those steps
    anew; each checkpoint's state, looked at and forked from, is what that one did. Dropping snapshots changes nothing.
    """
    path = tmp_path / "log.db"
    with process(run_ahead, path, world) as (child, pipe):
        assert heard(pipe) == "running"
        child.join(PATIENCE)
        assert child.exitcode == -signal.SIGKILL
    kept = [f"lost 0{LARGE}"]
    done = kept + [f"done {number}{LARGE}" for number in range(1, WORDS)]
    with SqliteSaver(path) as saver:
        graph = speaking(saver, "done", lambda _: None)
        assert graph.get_state(CONFIG).values == {"words": kept}
        assert invoke(graph, None, CONFIG, world) == {"words": done}
    with SqliteSaver(path) as saver:
        thread = speaking(saver, "done", lambda _: None).thread("ahead")
        history = thread.history(branch="main")
        seen = [one.values["words"] for one in history]
        forked = [thread.fork(one.config["configurable"]["checkpoint_id"]).state().values["words"] for one in history]
        saver.drop_snapshots("ahead")
        told = [one.values["words"] for one in thread.history(branch="main")]
        assert short(told) == short([done[: len(one)] for one in told])
        assert short(seen) == short(told)
        assert short(forked) == short(told)
        assert thread.verify()


def short(states: list[list[str]]) -> list[list[str]]:
    """Return words without their bulk, for a failure that can be read."""
    return [[word.rstrip(".") for word in words] for words in states]
