"""Statements are prepared where the server itself answers, and not where a pooler may change the server's process."""

from typing import Any

import psycopg
import pytest

from perdure.testing.records import grow
from perdure_postgres import PostgresSaver


def prepared(saver: PostgresSaver) -> int:
    """Return how many statements the server holds for a connection that has appended often."""
    for number in range(10):
        grow(saver, f"t{number}", 2)

    def count(connection: Any) -> Any:
        found = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        yield from ()
        return found[0]

    total: int = saver._store.run(count)
    return total


@pytest.mark.parametrize(("prepare", "direct", "prepares"), [
    (None, True, True), (None, False, False), (True, False, True), (False, True, False),
])  # fmt: skip
def test_preparing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, prepare: bool | None, direct: bool, prepares: bool
) -> None:
    """A pooler shows itself by the number of the process: it is not the one that was said at the start."""
    if not direct:
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", -1)
    with PostgresSaver(postgres_url, prepare=prepare, pool_config={"min_size": 1, "max_size": 1}) as saver:
        assert (prepared(saver) > 0) == prepares


def test_a_real_pooler_is_found(pooled_url: str | None, postgres_url: str) -> None:
    """Through pgbouncer nothing is prepared; without pgbouncer on this machine, a direct connection is told as such."""
    with PostgresSaver(pooled_url or postgres_url, pool_config={"min_size": 1, "max_size": 1}) as saver:
        assert (prepared(saver) > 0) == (pooled_url is None)
