"""Where acceptance tests keep their threads: on every saver that needs no server, or where processes share one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure import Saver
from perdure_memory import InMemorySaver
from perdure_sqlite import SqliteSaver
from tests.acceptance.both_worlds import World


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the SQLite saver of this test has its file."""
    return tmp_path / "log.db"


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest, database: Path) -> Iterator[Saver]:
    """An empty saver, of each kind."""
    opened: Saver = InMemorySaver() if request.param == "memory" else SqliteSaver(database)
    with opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, database: Path) -> str:
    """The URL of an empty saver that processes can share, of each kind."""
    url: str = f"sqlite:///{database}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    """A test that takes this runs in both worlds."""
    return World(request.param)
