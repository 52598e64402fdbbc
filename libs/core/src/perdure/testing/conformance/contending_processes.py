"""Several writers as processes: each is a writer like any other, and what one does all others see."""

from time import monotonic, sleep
from typing import ClassVar

import orjson
import pytest

from perdure.errors import ThreadDeletedError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.testing.conformance.contending import require_chain
from perdure.testing.conformance.processes import PROCESSES, ManyProcesses, Together
from perdure.testing.conformance.suite import MakeSaver
from perdure.testing.conformance.tailing import require_whole
from perdure.testing.contender import PATIENCE, contend, first_touch, work, write_until_deleted
from perdure.testing.faces import Face
from perdure.testing.watching import follow, settled_tail

NOTES = [f"process {number}" for number in range(PROCESSES)]
IDS = [f"t{number}" for number in range(PROCESSES)]


class ProcessClauses(ManyProcesses):
    """Several processes at once, each with a saver that `connect` gives it."""

    capability: ClassVar[str] = "contention-processes"

    def test_one_process_wins_each_seq(self, saver: Saver, together: Together) -> None:
        """Processes that append to one thread: each success stands once, in one unbroken chain."""
        rounds = 150
        each = ["t"] * PROCESSES, [rounds] * PROCESSES, NOTES, [PROCESSES] * PROCESSES
        lost = sum(one.result() for one in together.do(contend, *each))
        records = saver.read("t", MAIN_BRANCH)
        assert lost > 0
        require_chain(records)
        written = [orjson.loads(record.payload)["note"] for record in records]
        assert {note: written.count(note) for note in NOTES} == dict.fromkeys(NOTES, rounds)

    def test_processes_on_threads_of_their_own_all_succeed(self, saver: Saver, together: Together) -> None:
        """No writer is refused for the sake of another, and each position is given once."""
        doing = together.do(work, IDS, [200] * PROCESSES, [PROCESSES] * PROCESSES)
        assert len({position for one in doing for position in one.result()}) == PROCESSES * 200
        for thread_id in IDS:
            require_chain(saver.read(thread_id, MAIN_BRANCH))

    def test_processes_that_begin_at_once_on_empty_storage(
        self, make_saver: MakeSaver, face: Face, together: Together
    ) -> None:
        """Each may be the one that creates the schema."""
        positions = [one.result() for one in together.do(first_touch, IDS)]
        assert len(set(positions)) == PROCESSES
        with face(make_saver()) as saver:
            assert [thread.thread_id for thread in saver.list_threads()] == IDS

    def test_follower_of_other_processes_misses_nothing(self, saver: Saver, together: Together) -> None:
        """While they append and are refused, who follows by position sees every record once, in the final order."""
        doing = together.do(work, IDS, [100] * PROCESSES, [PROCESSES] * PROCESSES)
        seen = follow(saver, lambda: all(one.done() for one in doing))
        given = {position for one in doing for position in one.result()}
        require_whole(seen, saver, PROCESSES * 201)
        assert given <= {record.position for record in seen}

    def test_deleting_beats_writers_of_other_processes(self, saver: Saver, together: Together) -> None:
        """What they appended before the deletion is removed by it and counted, nothing gets in after, each is told."""
        doing = together.do(write_until_deleted, ["t"] * PROCESSES, NOTES, [PROCESSES] * PROCESSES)
        _wait_for(saver, "t", 30)
        removed = saver.delete_thread("t")
        assert removed == sum(one.result() for one in doing)
        (stone,) = saver.read("t", MAIN_BRANCH)
        assert (stone.kind, stone.seq) == ("ThreadDeleted", removed + 1)
        with pytest.raises(ThreadDeletedError):
            saver.head("t")
        assert settled_tail(saver, PROCESSES + 1)[-1] == stone


def _wait_for(saver: Saver, thread_id: str, seq: int) -> None:
    deadline = monotonic() + PATIENCE
    while (head := saver.head(thread_id)) is None or head.seq < seq:
        assert monotonic() < deadline, f"After {PATIENCE} seconds, {thread_id!r} stands at {head}."
        sleep(0.001)
