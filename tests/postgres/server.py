"""A PostgreSQL server of our own: started from programs on this machine, stopped as roughly as a test wants it."""

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

from tests.postgres.cluster import Cluster
from tests.postgres.installations import Installation
from tests.postgres.room import Room
from tests.postgres.unprivileged import launch, run, within_reach

Mode: TypeAlias = Literal["smart", "fast", "immediate"]
SIGNALS: Final = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
APP: Final = "app"
"""The role that owns the databases: a plain one, so that what needs a superuser's rights fails."""
PATIENCE: Final = 60.0
"""Seconds that a server may take to start or to stop."""
SETTINGS: Final = {
    "listen_addresses": "",  # a socket in our own folder: no port to fight about
    "max_connections": "200",
    "shared_buffers": "32MB",
    # Without fsync what was committed survives the end of the server, however rough, but not the machine's.
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
}
ACCESS: Final = f"""\
# Administrator and owner of the databases come in freely, whom tests create with a password only.
local all postgres,{APP} trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


class Programs:
    """An installation at work in a room: it makes servers, each from a copy of one empty cluster."""

    def __init__(self, installation: Installation, room: Room) -> None:
        self._room = room
        self._folder = within_reach(installation, room.path)
        self._template = room.corner() / "data"
        words = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", *installation.initdb]
        run([self._folder / "initdb", "--pgdata", self._template, *words])
        run(
            [self._folder / "postgres", "--single", "-D", self._template, "postgres"], said=f"create role {APP} login\n"
        )
        (self._template / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")

    def server(self, settings: Mapping[str, str] | None = None) -> "Server":
        """Return a new server, not started yet."""
        home = self._room.corner()
        run(["cp", "-Rp", self._template, home / "data"])
        server = Server(self._folder / "postgres", home)
        server.configure({**SETTINGS, "unix_socket_directories": str(home), **(settings or {})})
        return server


class Server(Cluster):
    """A server that a test may stop, start, restart and configure. Its URLs stay the same. A `with` runs it."""

    def __init__(self, program: Path, home: Path) -> None:
        super().__init__(f"postgresql://postgres@/postgres?host={home}", owner=APP)
        self.home = home
        self._command = [str(program), "-D", str(home / "data"), "-c", f"external_pid_file={home}/server.pid"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")

    def configure(self, settings: Mapping[str, str]) -> None:
        """Change settings: those that can be changed while it runs apply soon, the others at the next start."""
        with (self.home / "data/postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        assert self._process is None, "the server runs already"
        self._process = launch(self._command, self.home / "log")
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready(self._process):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop("immediate")
                raise RuntimeError(f"PostgreSQL did not start. Its log ends:\n{self.log[-2000:]}")
            time.sleep(0.005)

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Read the file in which the server says how far it is; one that a crash left names another process."""
        try:
            lines = (self.home / "data/postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready"

    def stop(self, mode: Mode = "fast") -> None:
        """Stop it: when the last client has gone, in order, or as if it had crashed."""
        assert self._process is not None, "the server does not run"
        self._process.send_signal(SIGNALS[mode])
        self._process.wait(PATIENCE)
        self._process = None
        # One that was killed has left it, and the number may soon be another process's.
        (self.home / "server.pid").unlink(missing_ok=True)

    def restart(self, mode: Mode = "fast") -> None:
        """Stop it and start it again."""
        self.stop(mode)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it as fast as it goes: its data are of no more use."""
        if self._process is not None:
            self.stop("immediate")
