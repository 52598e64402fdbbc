"""A PostgreSQL server as tests see it, wherever it comes from: a maker of fresh databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any, Self
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql


class Cluster:
    """A running server that `admin_url` leads to. Its databases belong to a plain role, `owner`."""

    def __init__(self, admin_url: str, *, owner: str, password: str = "") -> None:
        self.admin_url = admin_url
        self.owner = owner
        self._password = password
        self._left: list[str] = []

    @property
    def url(self) -> str:
        """The maintenance database, as the owner of the others sees it."""
        return self.url_of(urlsplit(self.admin_url).path.lstrip("/"))

    def url_of(self, database: str, *, user: str = "", password: str = "") -> str:
        """Return the URL of a database for a role, else for the owner of the databases."""
        if not user:
            user, password = self.owner, self._password
        parts = urlsplit(self.admin_url)
        host = parts.netloc.rpartition("@")[2]
        whose = f"{quote(user, safe='')}:{quote(password, safe='')}" if password else quote(user, safe="")
        return urlunsplit(parts._replace(netloc=f"{whose}@{host}", path=f"/{quote(database, safe='')}"))

    def admin_url_of(self, url: str) -> str:
        """Return the URL of the same database for the administrator."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=urlsplit(url).path))

    @contextmanager
    def admin(self, url: str = "") -> Iterator[psycopg.Connection[Any]]:
        """Connect as the administrator to the database of `url`, else to the maintenance database; autocommit."""
        with psycopg.connect(self.admin_url_of(url) if url else self.admin_url, autocommit=True) as connection:
            yield connection

    @property
    def version(self) -> int:
        """The server's major version."""
        with self.admin() as connection:
            return connection.info.server_version // 10_000

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"perdure_{token_hex(6)}"
        with self.admin() as connection:
            self._drop_left(connection)
            statement = sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(self.owner))
            if connection.info.server_version >= 15_00_00:
                # Half the time of the other strategy where files are in memory, and as long as it on a disk.
                statement += sql.SQL(" strategy file_copy")
            connection.execute(statement)
        return self.url_of(name)

    def leave(self, url: str) -> None:
        """Say that a database is needed no more. It is dropped later: right now its sessions are still ending."""
        self._left.append(urlsplit(url).path.lstrip("/"))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend the URL of an empty database."""
        url = self.create_database()
        try:
            yield url
        finally:
            self.leave(url)

    def _drop_left(self, connection: psycopg.Connection[Any]) -> None:
        while self._left:
            name = sql.Identifier(self._left.pop())
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


class Remote(Cluster):
    """A server that somebody else runs. The role of `admin_url` is a superuser. A `with` leaves nothing behind."""

    def __init__(self, admin_url: str) -> None:
        super().__init__(admin_url, owner=f"perdure_{token_hex(6)}", password=token_hex(6))

    def __enter__(self) -> Self:
        """Create the role that will own the databases."""
        with self.admin() as connection:
            role = sql.Identifier(self.owner)
            connection.execute(sql.SQL("create role {} login password {}").format(role, sql.Literal(self._password)))
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the databases and the role."""
        with self.admin() as connection:
            self._drop_left(connection)
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(self.owner)))
