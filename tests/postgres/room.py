"""A folder for servers, which outlive nobody: when the process that made it dies, however it dies, they are ended.

A shell waits beside the process, at the end of a pipe. A word comes when the tests are over; where the pipe closes
without one, the process is gone. Either way the shell ends every server that still has a `*.pid` file in the folder
(one that was stopped in order has none), and removes the folder.
"""

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.postgres.unprivileged import hand_over

KEEPER = """
read -r word
for file in "$1"/*/*.pid; do
  pid=$(head -n 1 "$file") && kill -QUIT "$pid" && for try in $(seq 100); do kill -0 "$pid" && sleep 0.1; done
done
rm -rf "$1"
"""
MEMORY = Path("/dev/shm")
ENOUGH = 2 * 1024**3
"""Bytes that must be free in memory. A container often has only 64 MB there."""


def quick_folder() -> Path:
    """Return where files cost least: in memory, where there is room and programs may run, else among temporary files.

    A fresh database is three hundred files. On a busy disk they take half a second, in memory a twentieth of that.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return MEMORY
    return Path(tempfile.gettempdir())


class Room:
    """A temporary folder that programs of the unprivileged account can use, with its keeper."""

    def __init__(self, parent: Path) -> None:
        # Not below pytest's own temporary folders: only root could enter them, and a socket's path must be short.
        self.path = Path(tempfile.mkdtemp(prefix="perdure-postgres-", dir=parent)).resolve()
        hand_over(self.path)
        self._numbers = count(1)
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", str(self.path)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True,
        )  # fmt: skip

    def corner(self) -> Path:
        """Return a new empty folder."""
        path = self.path / str(next(self._numbers))
        path.mkdir(mode=0o700)
        hand_over(path)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Have the folder removed."""
        self._keeper.communicate(b"over\n")
