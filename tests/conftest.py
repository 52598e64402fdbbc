"""What every test may use.

Two switches hold the whole suite to a law. They are environment variables that `compile` reads, so no test knows them:

- `PERDURE_ALWAYS_SUSPENDING=1` (`make test-suspending`): runs drop all memory after every append.
- `PERDURE_STRICT_STATE=1`: after each step the state is compared with one that is folded from the log.
"""

import pytest

from tests.postgres.fixtures import (
    each_postgres,
    own_postgres,
    pooled_url,
    postgres,
    postgres_servers,
    postgres_url,
    pytest_generate_tests,
)

__all__ = [
    "each_postgres",
    "own_postgres",
    "pooled_url",
    "postgres",
    "postgres_servers",
    "postgres_url",
    "pytest_generate_tests",
]


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio."""
    return "asyncio"
