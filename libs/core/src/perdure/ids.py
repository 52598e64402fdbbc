"""Where time and identity come from.

Order never comes from here: it is `seq`, given by the append. Rules take a `Clock` and an `IdSource` as
arguments, so that a test (or a replay) can hand in its own.
"""

import os
import time
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, Protocol

MAIN_BRANCH: Final = "main"
IDS_AT_ONCE: Final = 128


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
    """64 random bits an id, from the operating system's generator.

    Bits are fetched for many ids at once; a forked process forgets them, so that it mints ids of its own.
    """

    def __init__(self) -> None:
        self._hex: Iterator[str] = iter(())
        if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
            os.register_at_fork(after_in_child=self._forget)

    def mint(self) -> str:
        """Return 16 lower-case hexadecimal characters."""
        try:
            return next(self._hex)
        except StopIteration:
            text = os.urandom(8 * IDS_AT_ONCE).hex()
            self._hex = iter([text[at : at + 16] for at in range(0, len(text), 16)])
            return next(self._hex)

    def _forget(self) -> None:
        self._hex = iter(())


SYSTEM_CLOCK: Final = SystemClock()
RANDOM_IDS: Final = RandomIds()
"""What graphs use unless told otherwise."""


def interrupt_id(branch: str, task_id: str, ordinal: int | str) -> str:
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
