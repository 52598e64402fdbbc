"""Cheap fresh processes: forks of one that has imported everything, opened nothing, and has no threads."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Final

from perdure import open_saver

LONGEST: Final = 60
"""Seconds after which a fork ends by itself (SIGALRM): one that hangs outlives nobody for long."""


def prepare(url: str) -> None:
    """Import what a saver needs, so that its forks do not each do it. Nothing is opened before it is used."""
    open_saver(url).close()


def fork(act: Callable[[], None]) -> int:
    """Do something in a forked process; return its id. What is raised there is shown, and makes it end with 1."""
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(LONGEST)
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - a fork must never come back into the code of its parent
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def reap(pid: int) -> bool:
    """Wait for a fork's end; tell whether it was killed with SIGKILL. Raises RuntimeError if it failed otherwise."""
    _, status = os.waitpid(pid, 0)
    if status not in (0, signal.SIGKILL):
        raise RuntimeError(f"process {pid} ended with status {status}")
    return status == signal.SIGKILL
