"""Tenants: savers for different tenants on one storage know nothing of each other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from perdure.errors import StaleWriterError, ThreadDeletedError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.naming import ODD
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.contender import append_between_refusals
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow, write_records
from perdure.testing.watching import follow, settled_tail, stored


class TenantClauses(SaverClauses):
    """Two tenants with threads of the same ids."""

    capability: ClassVar[str] = "tenants"

    @pytest.fixture
    def tenants(self, make_saver: MakeSaver, face: Face) -> Iterator[tuple[Saver, Saver]]:
        """Yield savers of two tenants on one storage."""
        with face(make_saver(tenant="acme")) as acme, face(make_saver(tenant="zeta")) as zeta:
            yield acme, zeta

    def test_saver_says_whose_it_is(self, tenants: tuple[Saver, Saver]) -> None:
        """The tenant is an attribute."""
        assert [saver.tenant for saver in tenants] == ["acme", "zeta"]

    def test_same_ids_are_different_threads(self, tenants: tuple[Saver, Saver]) -> None:
        """Appending, reading, forking and listing stay with one tenant."""
        acme, zeta = tenants
        ours = grow(acme, "t", 3, note="acme")
        assert (zeta.head("t"), zeta.read("t", MAIN_BRANCH), zeta.tail(), zeta.list_threads()) == (None, [], [], [])
        theirs = grow(zeta, "t", 2, note="zeta")
        fork(zeta, "f", at=theirs[0])
        assert unplaced(acme.read("t", MAIN_BRANCH)) == ours
        assert unplaced(zeta.read("t", MAIN_BRANCH)) == theirs
        assert [branch.id for branch in acme.branches("t")] == [MAIN_BRANCH]
        assert settled_tail(acme, 3) == acme.read("t", MAIN_BRANCH)
        assert settled_tail(zeta, 3) == zeta.read("t", MAIN_BRANCH) + zeta.read("t", "f")

    def test_snapshots_are_a_tenants_own(self, tenants: tuple[Saver, Saver]) -> None:
        """Neither found nor dropped by another."""
        acme, zeta = tenants
        grow(acme, "t")
        grow(zeta, "t")
        acme.put_snapshot("t", Snapshot(MAIN_BRANCH, 1, bytes(32), b"acme"))
        assert zeta.get_snapshot("t", MAIN_BRANCH, upto=9) is None
        assert zeta.drop_snapshots("t") == 0
        assert acme.drop_snapshots("t") == 1

    def test_deleting_stays_with_one_tenant(self, tenants: tuple[Saver, Saver]) -> None:
        """Another tenant's thread of the same id lives on."""
        acme, zeta = tenants
        grow(acme, "t", 2)
        theirs = grow(zeta, "t", 3)
        assert acme.delete_thread("t") == 2
        assert unplaced(zeta.read("t", MAIN_BRANCH)) == theirs
        assert zeta.head("t") == (MAIN_BRANCH, 3, theirs[-1].hash)
        assert acme.delete_thread("u") == 0

    def test_tail_pages_skip_other_tenants(self, tenants: tuple[Saver, Saver]) -> None:
        """A page is full although most of what is stored is another's."""
        acme, zeta = tenants
        grow(acme, "a", 2)
        grow(zeta, "z", 30)
        grow(acme, "b", 2)
        assert [record.thread_id for record in settled_tail(acme, 4)] == ["a", "a", "b", "b"]
        assert [record.thread_id for record in acme.tail(limit=3)] == ["a", "a", "b"]

    def test_no_tenant_is_a_tenant_of_its_own(self, make_saver: MakeSaver, face: Face) -> None:
        """A saver without a tenant sees what was stored without one, not what all have stored."""
        with face(make_saver()) as nobody, face(make_saver(tenant="acme")) as acme:
            grow(acme, "t", 2)
            assert (nobody.head("t"), nobody.read("t", MAIN_BRANCH), nobody.list_threads()) == (None, [], [])
            ours = grow(nobody, "t")
            assert unplaced(settled_tail(nobody, 1)) == ours
            assert len(acme.read("t", MAIN_BRANCH)) == 2

    def test_same_records_are_no_retry_of_another_tenants(self, tenants: tuple[Saver, Saver]) -> None:
        """Each tenant's append is an append, although the very same bytes stand elsewhere."""
        acme, zeta = tenants
        records = write_records("t", 2)
        for saver in tenants:
            saver.append("t", MAIN_BRANCH, expected_seq=0, records=records)
        more = grow(acme, "t", after=records[-1])
        assert unplaced(settled_tail(acme, 3)) == records + more
        assert unplaced(settled_tail(zeta, 2)) == records
        with pytest.raises(StaleWriterError):
            grow(zeta, "t", note="another beginning")

    def test_deletion_refuses_late_writers_of_one_tenant(self, tenants: tuple[Saver, Saver]) -> None:
        """The other begins a thread of that id, and its own is not deleted."""
        acme, zeta = tenants
        grow(acme, "t", 2)
        acme.delete_thread("t")
        assert zeta.head("t") is None
        theirs = grow(zeta, "t", 2)
        assert zeta.head("t") == (MAIN_BRANCH, 2, theirs[-1].hash)
        with pytest.raises(ThreadDeletedError):
            grow(acme, "t")

    def test_tenants_do_not_contend(self, tenants: tuple[Saver, Saver]) -> None:
        """Writers of two tenants on one thread id never refuse each other, and a follower sees its own tenant alone."""
        with ThreadPoolExecutor(2) as pool:
            writers = [pool.submit(append_between_refusals, saver, "t", 25) for saver in tenants]
            seen = follow(tenants[0], lambda: all(writer.done() for writer in writers))
            assert [len(writer.result()) for writer in writers] == [25, 25]
        assert seen == stored(tenants[0])
        assert len(seen) == 51

    @pytest.mark.parametrize("tenant", ODD)
    def test_odd_tenants_are_tenants(self, make_saver: MakeSaver, face: Face, tenant: str) -> None:
        """A tenant is kept apart under exactly this name."""
        other = tenant[:-1] + "_"
        with face(make_saver(tenant=tenant)) as one, face(make_saver(tenant=other)) as two:
            records = grow(one, "t", 2)
            assert (two.head("t"), two.tail(), two.list_threads()) == (None, [], [])
            assert unplaced(settled_tail(one, 2)) == records
            assert (one.tenant, one.delete_thread("t"), two.delete_thread("t")) == (tenant, 2, 0)

    @pytest.mark.parametrize("tenant", ["a\0b", "\ud800", "x" * 513])
    def test_what_is_no_text_is_no_tenant(self, make_saver: MakeSaver, tenant: str) -> None:
        """A tenant is a name as a thread id is."""
        with pytest.raises(UsageError):
            make_saver(tenant=tenant)
