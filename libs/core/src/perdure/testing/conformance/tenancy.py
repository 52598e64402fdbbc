"""Tenants: savers for different tenants on one storage know nothing of each other."""

from collections.abc import Iterator

import pytest

from perdure.errors import UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing.conformance.suite import MakeSaver, SaverClauses, unplaced
from perdure.testing.faces import Face
from perdure.testing.records import fork, grow


class TenantClauses(SaverClauses):
    """Two tenants with threads of the same ids."""

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
        assert len(acme.tail()) == len(zeta.tail()) == 3

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
        assert [record.thread_id for record in acme.tail(limit=3)] == ["a", "a", "b"]

    @pytest.mark.parametrize("tenant", ["a\0b", "\ud800", "x" * 513])
    def test_what_is_no_text_is_no_tenant(self, make_saver: MakeSaver, tenant: str) -> None:
        """A tenant is a name as a thread id is."""
        with pytest.raises(UsageError):
            make_saver(tenant=tenant)
