"""Where time and identity come from.

Order never comes from here: it is `seq`, given by the append. Rules take a `Clock` and an `IdSource` as
arguments, so that a test (or a replay) can hand in its own.
"""

import time
from hashlib import blake2b
from random import SystemRandom
from typing import Protocol

MAIN_BRANCH = "main"


class Clock(Protocol):
    """Tells the time that is written into the log."""

    def now(self) -> int:
        """Return microseconds since 1970-01-01 UTC."""
        ...


class IdSource(Protocol):
    """Mints identifiers that are unique within one thread's log."""

    def mint(self) -> str:
        """Return 16 lower-case hexadecimal characters."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> int:
        """Return microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


class RandomIds:
    """64 random bits an id, from the operating system's generator (safe across forked processes)."""

    def __init__(self) -> None:
        self._bits = SystemRandom().getrandbits

    def mint(self) -> str:
        """Return 16 lower-case hexadecimal characters."""
        return f"{self._bits(64):016x}"


def interrupt_id(branch: str, task_id: str, ordinal: int) -> str:
    """Return the identity of the `ordinal`-th question a task asks on a branch: 32 hexadecimal characters."""
    return blake2b(f"{branch}|{task_id}|{ordinal}".encode(), digest_size=16).hexdigest()


def checkpoint_id(branch: str, seq: int, unique: str) -> str:
    """Return a checkpoint's id: opaque to users, but it tells the store where its event stands.

    `unique` makes an id of one thread foreign to every other, although both have a `seq` 7 on `main`.
    """
    return f"{branch}-{seq:08x}-{unique}"


def locate_checkpoint(id: str) -> tuple[str, int] | None:
    """Return (branch, seq) that a checkpoint id claims, or None when it is no id of ours."""
    parts = id.rsplit("-", 2)
    if len(parts) != 3 or not parts[0]:
        return None
    try:
        return parts[0], int(parts[1], 16)
    except ValueError:
        return None
