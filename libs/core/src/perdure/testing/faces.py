"""Both faces of a saver behind its sync signatures, so that each clause is written once.

`as_async(saver).append(...)` runs `saver.aappend(...)` to its end, each call in an event loop of its own: so the async
face is also held to working under one loop after another.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self, TypeAlias, cast

from perdure.events import Value
from perdure.ports import Saver

Face: TypeAlias = Callable[[Saver], Saver]
"""What shows one of a saver's two faces."""


class _AsyncFace:
    """Answers every sync method of the port by running its async namesake."""

    def __init__(self, saver: Saver) -> None:
        self._saver = saver

    @property
    def tenant(self) -> str:
        return self._saver.tenant

    def __getattr__(self, name: str) -> Callable[..., Value]:
        method: Callable[..., Coroutine[Value, Value, Value]] = getattr(self._saver, f"a{name}")
        return lambda *subject, **options: asyncio.run(method(*subject, **options))

    def __enter__(self) -> Self:
        async def enter() -> Saver:
            return await self._saver.__aenter__()

        assert asyncio.run(enter()) is self._saver
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async def leave() -> None:
            await self._saver.__aexit__(kind, error, trace)

        asyncio.run(leave())


# So that a graph takes it for what it stands for.
Saver.register(_AsyncFace)


def as_sync(saver: Saver) -> Saver:
    """Return the saver itself."""
    return saver


def as_async(saver: Saver) -> Saver:
    """Return what has the sync methods of the port and calls the async ones."""
    return cast(Saver, _AsyncFace(saver))


FACES: dict[str, Face] = {"sync": as_sync, "async": as_async}


def connect_face(face: Face, connect: Callable[[], Saver]) -> Saver:
    """Return a face of a saver that is opened here; both arguments can be sent to another process."""
    return face(connect())
