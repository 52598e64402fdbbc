"""A process that is frozen in the middle of a run, overtaken, and thaws, writes nothing any more."""

import os
import signal

import pytest

from perdure import open_saver
from tests.acceptance.recorded import nodes_done
from tests.acceptance.two_writers import CONFIG, PATIENCE, heard, process, stopped, stopping
from tests.acceptance.worlds import WORLDS, World, invoke


@pytest.mark.parametrize("world", WORLDS)
def test_a_frozen_process_that_thaws_is_refused(store: str, world: World) -> None:
    """Stopped in a node while another process takes the run to its end, it gets StaleWriterError for what it held."""
    ran = list[str]()
    with process(stopped, store, world) as (child, pipe):
        pid = heard(pipe)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        with open_saver(store) as saver:
            graph = stopping(saver, ran.append)
            assert graph.get_state(CONFIG).next == ("second",)
            assert invoke(graph, None, CONFIG, world) == {"entries": ["first", "second", "third"]}
            assert ran == ["second", "third"]
            records = saver.read("shared", "main")
            os.kill(pid, signal.SIGCONT)
            assert heard(pipe) == "StaleWriterError"
            child.join(PATIENCE)
            assert child.exitcode == 0
            assert saver.read("shared", "main") == records
            assert nodes_done(graph.thread("shared")) == ["first", "second", "third"]
            assert graph.thread("shared").verify()
