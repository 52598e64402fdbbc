"""The PostgreSQL server of a run: one that flushes what it commits, with its data on a disk; a fresh database a cell.

It is made as the tests' servers are (`tests/postgres`), from the programs in the development environment, but with the
settings that PostgreSQL has when nobody says otherwise. `PERDURE_TEST_POSTGRES` names another one.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from psycopg import sql

from tests.postgres.cluster import Cluster, Remote
from tests.postgres.installations import wheel
from tests.postgres.kinds import GIVEN
from tests.postgres.room import Room
from tests.postgres.server import Programs
from tests.postgres.unprivileged import account

SETTINGS: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
}
TOLD: Final = ("server_version", *SETTINGS)
"""Settings that a report names."""
ON_DISK: Final = Path("/var/tmp")
"""Temporary files that outlive a restart, so they are on a disk."""
LONGEST_PATH: Final = 60
"""Bytes of a folder's path, so that with the names below it a socket's path is short enough."""


@contextmanager
def postgres(folder: Path) -> Iterator[Cluster]:
    """Lend a running server with its data in `folder`, or the one that the environment names."""
    given = os.environ.get(GIVEN)
    if given:
        with Remote(given) as remote:
            yield remote
    else:
        with Room(_reachable(folder.resolve())) as room, Programs(wheel(), room).server(SETTINGS) as server:
            yield server


def _reachable(folder: Path) -> Path:
    """Return the folder, or another on a disk where the server's account may not enter it or no socket fits in."""
    if len(os.fsencode(folder)) <= LONGEST_PATH:
        entered = subprocess.run(["test", "-x", str(folder)], cwd="/", check=False, **account())
        if entered.returncode == 0:
            return folder
    return ON_DISK


@contextmanager
def fresh_database(server: Cluster) -> Iterator[str]:
    """Lend the URL of an empty database. It is dropped at once, and the server left with nothing to write."""
    url = server.create_database()
    try:
        yield url
    finally:
        name = sql.Identifier(urlsplit(url).path.lstrip("/"))
        with server.admin() as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))
            connection.execute("checkpoint")


def settings_of(server: Cluster) -> dict[str, str]:
    """Return the server's version and the settings by which it is durable."""
    with server.admin() as connection:
        rows = connection.execute(
            "select name, current_setting(name) from unnest(%s::text[]) as one (name)", [list(TOLD)]
        )
        return dict(rows.fetchall())
