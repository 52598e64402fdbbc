"""The fixtures by which any test gets PostgreSQL. Servers start when the first test asks, one of a kind per process.

`PERDURE_TEST_POSTGRES=postgresql://…` names a server to use; its role must be a superuser.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.postgres.cluster import Cluster
from tests.postgres.kinds import Servers, kinds
from tests.postgres.pooler import Pooler, find_pgbouncer
from tests.postgres.server import Server

__all__ = [
    "each_postgres",
    "own_postgres",
    "pooled_url",
    "postgres",
    "postgres_servers",
    "postgres_url",
    "pytest_generate_tests",
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `each_postgres` on every kind of server that there is."""
    if "each_postgres" in metafunc.fixturenames:
        metafunc.parametrize("each_postgres", kinds(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    """The servers of this process, by kind."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session")
def postgres(postgres_servers: Servers) -> Cluster:
    """A server: the one that `PERDURE_TEST_POSTGRES` names, else a container, else PostgreSQL 18 on this machine."""
    return postgres_servers.default()


@pytest.fixture(scope="session")
def each_postgres(request: pytest.FixtureRequest, postgres_servers: Servers) -> Cluster:
    """A server of each kind that there is: 18 always, the system's where it is installed, a container with Docker."""
    return postgres_servers.of_kind(request.param)


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def own_postgres(postgres_servers: Servers) -> Iterator[Server]:
    """A PostgreSQL 18 of the test's own, running: it may be stopped, started and configured."""
    with postgres_servers.private() as server:
        yield server


@pytest.fixture
def pooled_url(postgres_servers: Servers, postgres_url: str) -> Iterator[str | None]:
    """The URL of `postgres_url`'s database through a transaction pooler; None where pgbouncer is not installed."""
    program = find_pgbouncer()
    if program is None:
        yield None
    else:
        with Pooler(program, postgres_servers.room.corner(), postgres_url) as pooler:
            yield pooler.url
