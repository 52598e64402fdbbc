"""Every saver of this repository, held to the one suite."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from perdure.ports import Saver
from perdure.testing.conformance import DurableSaverConformance, MakeSaver, SaverConformance
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver


class Shared:
    """Storage that is the object itself: the same saver for the same tenant."""

    def __init__(self, make: Callable[[str], Saver]) -> None:
        self._make = make
        self._savers: dict[str, Saver] = {}

    def __call__(self, *, tenant: str = "") -> Saver:
        if tenant not in self._savers:
            self._savers[tenant] = self._make(tenant)
        return self._savers[tenant]

    def close(self) -> None:
        for saver in self._savers.values():
            saver.close()


class TestMemory(SaverConformance):
    @pytest.fixture
    def make_saver(self) -> MakeSaver:
        return Shared(lambda tenant: InMemorySaver(tenant=tenant))


class TestSqliteFile(DurableSaverConformance):
    @pytest.fixture
    def make_saver(self, tmp_path: Path) -> MakeSaver:
        return partial(SqliteSaver, tmp_path / "log.db", synchronous="OFF")


class TestSqliteMemory(SaverConformance):
    @pytest.fixture
    def make_saver(self) -> Iterator[MakeSaver]:
        shared = Shared(lambda tenant: SqliteSaver(":memory:", tenant=tenant))
        yield shared
        shared.close()


def test_no_clause_hides_another() -> None:
    """Clauses of one name in two groups would be one clause."""
    names = [name for group in DurableSaverConformance.__mro__ for name in vars(group) if name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
    assert len(names) > 120
