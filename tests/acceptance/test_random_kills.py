"""A process that is killed again and again at random times gets its work done all the same."""

import subprocess
import sys
from pathlib import Path

import pytest

from perdure import open_saver
from tests.acceptance.crash_stage import Stage
from tests.acceptance.long_run import NOTE, STEPS, counting
from tests.acceptance.recorded import nodes_done
from tests.acceptance.worlds import WORLDS, World

ROOT = Path(__file__).parents[2]
KILLS = 30


@pytest.mark.parametrize("world", WORLDS)
def test_thirty_kills_and_every_thread_is_right(tmp_path: Path, store: str, world: World) -> None:
    """Every thread counts to forty, step by step; each kill makes at most one step run again, and none that was
    recorded.
    """
    command = [sys.executable, "-m", "tests.acceptance.long_run", str(tmp_path), store, world, "7", str(KILLS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    stage = Stage(tmp_path / "side", asynchronous=False)
    with open_saver(store) as saver:
        graph = counting(stage, saver)
        threads = [one.thread_id for one in saver.list_threads(limit=10_000)]
        for thread_id in threads:
            thread = graph.thread(thread_id)
            notes = [f"{number}: {NOTE}" for number in range(1, STEPS + 1)]
            assert thread.state().values == {"count": STEPS, "notes": notes}
            assert thread.verify()
            assert nodes_done(thread) == ["count"] * STEPS
    begun = [line for line in stage.lines() if line.startswith("begin")]
    assert threads
    assert len(threads) * STEPS <= len(begun) <= len(threads) * STEPS + KILLS
