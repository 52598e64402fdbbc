"""A saver of any kind whose appends something is done around."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from perdure.ports import Saver


def watch(saver: Saver, around: Callable[[bool], AbstractContextManager[object]]) -> Saver:
    """Have each append made inside a context; `around` is told whether it is an async one. Return the saver.

    A saver whose async appends are made by its sync ones enters both contexts.
    """
    append, aappend = saver.append, saver.aappend

    def watched(*args: Any, **options: Any) -> int:
        with around(False):
            return append(*args, **options)

    async def awatched(*args: Any, **options: Any) -> int:
        with around(True):
            return await aappend(*args, **options)

    saver.append = watched  # type: ignore[method-assign]
    saver.aappend = awatched  # type: ignore[method-assign]
    return saver
