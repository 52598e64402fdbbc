"""Law 10: logs that earlier releases wrote hold, and fold to the states that they folded to then."""

from pathlib import Path

import pytest

from perdure.engine.verify import verify
from perdure.lineage import answer
from perdure_memory import InMemorySaver
from tests.laws.golden import FOLDER, PROGRAMS, load, state
from tests.laws.scripts import THREAD

FILES = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_log_folds_to_the_same_states(file: Path) -> None:
    """Each checkpoint of a recorded log, folded without a graph, has the values and open tasks that were recorded."""
    with InMemorySaver() as saver:
        expected = load(file, saver)
        found = [
            state(saver, record)
            for branch in saver.branches(THREAD)
            for record in saver.read(THREAD, branch.id)
            if record.checkpoint_id
        ]
        assert expected == found
        verified = answer(verify(THREAD), saver)
        assert verified.problem is None
        assert verified.events == len(saver.tail(limit=1_000_000))


def test_there_is_a_golden_log_of_each_program() -> None:
    """Nobody loses the files by accident."""
    assert set(PROGRAMS) <= {file.stem.rpartition("-")[2] for file in FILES}
