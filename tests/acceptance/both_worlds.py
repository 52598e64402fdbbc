"""Both worlds behind one call: each clause about a method is written once and holds for its async sister, too."""

from collections.abc import AsyncIterator, Iterator
from typing import Any


class World:
    """Calls `subject.method` or `subject.amethod`; an iterator's items are collected."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, subject: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if self.name == "sync":
            found = getattr(subject, method)(*arguments, **options)
            return list(found) if isinstance(found, Iterator) else found
        found = getattr(subject, "a" + method)(*arguments, **options)
        if isinstance(found, AsyncIterator):
            return [item async for item in found]
        return await found
