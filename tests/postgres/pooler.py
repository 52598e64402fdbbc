"""A transaction pooler, pgbouncer, before a database: each transaction may run on another connection to the server."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict

from tests.postgres.unprivileged import hand_over, launch

PORT: Final = 6432
PATIENCE: Final = 20.0
CONFIGURATION: Final = """\
[databases]
* = host={host} port={port}

[pgbouncer]
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
unix_socket_dir = {home}
listen_addr =
listen_port = {listen}
auth_type = trust
auth_file = {home}/users
pidfile = {home}/pooler.pid
"""


def find_pgbouncer() -> Path | None:
    """Return the program, if it is installed: on the path, or where Debian has it, which is not on everybody's."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


class Pooler:
    """A pgbouncer in transaction mode, with four connections to the server. A `with` runs it."""

    def __init__(self, program: Path, home: Path, url: str) -> None:
        """`home` is an empty folder for its files, `url` leads to the database without it."""
        self.home = home
        self._url = url
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the database through the pooler."""
        parts = urlsplit(self._url)
        user = quote(str(conninfo_to_dict(self._url)["user"]), safe="")
        return urlunsplit(parts._replace(netloc=f"{user}@", query=f"host={self.home}&port={PORT}"))

    def __enter__(self) -> Self:
        """Start it, and return when it listens."""
        server = conninfo_to_dict(self._url)
        text = CONFIGURATION.format(
            host=server["host"], port=server.get("port") or 5432, home=self.home, listen=PORT
        )  # fmt: skip
        (self.home / "pooler.ini").write_text(text, encoding="utf-8")
        user, password = server["user"], server.get("password") or ""
        (self.home / "users").write_text(f'"{user}" "{password}"\n', encoding="utf-8")
        hand_over(self.home)
        self._process = launch([str(self._program), str(self.home / "pooler.ini")], self.home / "log")
        deadline = time.monotonic() + PATIENCE
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"pgbouncer did not start. It said:\n{(self.home / 'log').read_text()[-2000:]}")
            time.sleep(0.005)
        return self

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.home / f".s.PGSQL.{PORT}")) == 0

    def __exit__(self, *_: object) -> None:
        """End it at once. It keeps nothing that could be lost."""
        assert self._process is not None, "the pooler does not run"
        self._process.kill()
        self._process.wait()
        (self.home / "pooler.pid").unlink(missing_ok=True)
