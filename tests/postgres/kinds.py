"""Which kinds of PostgreSQL servers there are to test with, and the one of each kind that a test process has."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from typing import Final

from tests.postgres import container
from tests.postgres.cluster import Cluster, Remote
from tests.postgres.installations import system, wheel
from tests.postgres.room import Room, quick_folder
from tests.postgres.server import Programs, Server

GIVEN: Final = "PERDURE_TEST_POSTGRES"
WHEEL, SYSTEM, CONTAINER = "18", "system", "container"


@cache
def kinds() -> tuple[str, ...]:
    """Return every kind that can be had here. PostgreSQL 18 is always one: where it cannot start, tests fail."""
    return (WHEEL, *([SYSTEM] if system() else []), *([CONTAINER] if container.available() else []))


class Servers:
    """The servers of one process. Each is started when it is first asked for and lives as long as `stack`."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._room: Room | None = None
        self._programs: dict[str, Programs] = {}
        self._running: dict[str, Cluster] = {}

    def default(self) -> Cluster:
        """Return the server for tests that do not care which."""
        if os.environ.get(GIVEN):
            return self.of_kind(GIVEN)
        return self.of_kind(CONTAINER if container.available() else WHEEL)

    def of_kind(self, kind: str) -> Cluster:
        """Return the server of a kind."""
        if kind not in self._running:
            self._running[kind] = self._stack.enter_context(self._make(kind))
        return self._running[kind]

    @property
    def room(self) -> Room:
        """Where this process's servers have their files."""
        if self._room is None:
            self._room = self._stack.enter_context(Room(quick_folder()))
        return self._room

    def private(self, kind: str = WHEEL, settings: Mapping[str, str] | None = None) -> Server:
        """Return a new server, not started, from programs on this machine. A `with` runs it."""
        if kind not in self._programs:
            installation = wheel() if kind == WHEEL else system()
            assert installation is not None, "this machine's distribution has no PostgreSQL installed"
            self._programs[kind] = Programs(installation, self.room)
        return self._programs[kind].server(settings)

    def _make(self, kind: str) -> Remote | Server:
        if kind == GIVEN:
            return Remote(os.environ[GIVEN])
        if kind == CONTAINER:
            return container.Container()
        return self.private(kind)
