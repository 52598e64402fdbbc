"""What every group of clauses stands on: the fixtures, and how records are compared."""

from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol, TypeAlias

import pytest

from perdure.events import Record
from perdure.ports import Saver
from perdure.testing.faces import FACES, Face

Connect: TypeAlias = Callable[[], Saver]
"""What another process opens a test's storage with. It can be pickled."""


class MakeSaver(Protocol):
    """The one thing that a saver's author writes."""

    def __call__(self, *, tenant: str = "") -> Saver:
        """Return a saver on this test's storage: one more on the same, each time it is called for a tenant."""
        ...


class SaverClauses:
    """Clauses run with both faces. A subclass has a fixture `make_saver` that returns a `MakeSaver`."""

    capability: ClassVar[str] = ""
    """Under which name the report shows a group's clauses."""

    @pytest.fixture(params=list(FACES))
    def face(self, request: pytest.FixtureRequest) -> Face:
        """Return what shows one of a saver's faces."""
        return FACES[request.param]

    @pytest.fixture
    def saver(self, make_saver: MakeSaver, face: Face) -> Iterator[Saver]:
        """Yield one face of a saver on empty storage, and close it."""
        with face(make_saver()) as saver:
            yield saver


def unplaced(records: list[Record]) -> list[Record]:
    """Return records as they were before the store gave them positions."""
    return [record._replace(position=0) for record in records]
