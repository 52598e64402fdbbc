"""The conformance suite fails for savers that are wrong: each fault is found by the clause that is there for it."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import pytest

from perdure.errors import PerdureError
from perdure.ports import Saver
from perdure.testing import as_sync
from perdure.testing.conformance import MakeSaver, large
from perdure.testing.conformance.contending import ThreadClauses
from perdure.testing.conformance.crashing import CrashClauses
from perdure.testing.conformance.deleting import DeleteClauses
from perdure.testing.conformance.large import LargeClauses, LargeWalkClauses
from perdure.testing.conformance.lines import LineClauses
from perdure.testing.conformance.payloads import PayloadClauses
from perdure.testing.conformance.processes import Together
from perdure.testing.conformance.rebuilding import RebuildClauses
from perdure.testing.conformance.tailing import TailClauses
from perdure.testing.conformance.tenancy import TenantClauses
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver
from tests.savers import broken

FOUND = (AssertionError, PerdureError, pytest.fail.Exception)
Clause: TypeAlias = Callable[[Saver], None]


def _payload(saver: Saver) -> None:
    PayloadClauses().test_payload_comes_back_identical(saver, b' {"a" : 1}')


FAULTS = [
    pytest.param(broken.RepeatingTail, TailClauses().test_nothing_beyond_the_end, id="repeating tail"),
    pytest.param(broken.RepeatingTail, TailClauses().test_tail_pages_join_without_gap_or_repeat, id="repeating pages"),
    pytest.param(
        broken.OverlongLines, LineClauses().test_forks_line_is_its_parents_up_to_the_fork, id="overlong lines"
    ),
    pytest.param(
        broken.Compacting, RebuildClauses().test_states_from_snapshots_equal_states_from_events, id="compacting"
    ),
    pytest.param(broken.Resurrecting, DeleteClauses().test_late_append_is_refused, id="resurrecting"),
    pytest.param(broken.Tidying, _payload, id="tidying"),
]


@pytest.mark.parametrize(("saver", "clause"), FAULTS)
def test_fault_is_found(saver: type[InMemorySaver], clause: Clause) -> None:
    """A clause that a right saver passes fails for a saver with this fault."""
    clause(InMemorySaver())
    with pytest.raises(FOUND):
        clause(saver())


SHARED_FAULTS = [
    pytest.param(broken.LateTail, TailClauses().test_follower_misses_nothing, id="late tail"),
    pytest.param(broken.Trusting, ThreadClauses().test_one_of_several_threads_wins_each_round, id="two winners"),
]


@pytest.mark.parametrize(("saver", "clause"), SHARED_FAULTS)
def test_fault_among_threads_is_found(
    saver: type[InMemorySaver], clause: Callable[[MakeSaver, Callable[[Saver], Saver]], None]
) -> None:
    """The same for clauses with several writers."""
    clause(_shared(InMemorySaver()), as_sync)
    with pytest.raises(FOUND):
        clause(_shared(saver()), as_sync)


def _shared(saver: Saver) -> MakeSaver:
    return lambda *, tenant="": saver


def test_tenants_in_one_pot_are_found() -> None:
    """A saver that knows its tenant's name and takes no notice of it."""
    saver = InMemorySaver()
    with pytest.raises(FOUND):
        TenantClauses().test_same_ids_are_different_threads((saver, saver))
    with pytest.raises(FOUND):
        TenantClauses().test_same_records_are_no_retry_of_another_tenants((saver, saver))


def test_reading_all_to_hand_out_a_part_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown with a fifth of the events, which is enough for it to show."""
    monkeypatch.setattr(large, "EVENTS", 20_000)
    monkeypatch.setattr("perdure.testing.walker.fill.__defaults__", (20_000,))
    LargeClauses().test_windows_of_a_large_thread_cost_windows(partial(SqliteSaver, tmp_path / "a.db"))
    with pytest.raises(AssertionError):
        LargeClauses().test_windows_of_a_large_thread_cost_windows(partial(broken.Hoarding, tmp_path / "b.db"))


def test_process_that_hoards_is_found(tmp_path: Path) -> None:
    """100,000 events in a process's memory are more than the walk's bound."""
    make, connect = [
        partial(kind, tmp_path / "log.db", synchronous="OFF") for kind in (SqliteSaver, broken.Remembering)
    ]
    with pytest.raises(AssertionError):
        LargeWalkClauses().test_walking_through_a_large_thread_costs_windows(make, connect)


@pytest.mark.parametrize("saver", [broken.OneByOne, broken.Losing])
def test_fault_in_a_crash_is_found(saver: type[SqliteSaver], tmp_path: Path) -> None:
    """A killed process that left half an append, or had promised what it had not written."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        together = Together(pool, partial(saver, tmp_path / "log.db", synchronous="OFF"))
        with pytest.raises(AssertionError):
            CrashClauses().test_killed_while_appending(together)
