"""The ground of the value codec: what a tree is, how deep it may be, and the signal that says where a value fails.

A walk knows no path. Where a value cannot be stored it raises `UnstorableError`; each container on the way out adds
its step (`blame`), so that the path costs nothing until something fails. The signal never leaves the package: `to_tree`
turns it into `EncodeError`.
"""

import json
import reprlib
from typing import Final, Self, TypeAlias

from perdure.errors import EncodeError
from perdure.events import Value

JsonTree: TypeAlias = "dict[str, JsonTree] | list[JsonTree] | str | int | float | bool | None"
"""What orjson writes and reads back exactly: no other type, 64-bit integers, finite floats, text without surrogates."""

TAG: Final = "$"
"""The key that marks an object as a tag. User dicts that hold it are escaped."""

MAX_DEPTH: Final = 200
"""JSON levels of one stored value. orjson writes 253; the rest is left for what an event wraps around its values."""

DEPTH_READ: Final = MAX_DEPTH + 8
"""JSON levels that are read: a tag at the deepest place adds a few of its own."""


class UnstorableError(Exception):
    """A value has no stored form; `steps` lead from it outwards."""

    def __init__(self, message: str, culprit: Value, *, deep: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.type_name = full_name(type(culprit))
        self.steps: list[tuple[str, Value]] = []
        self._deep = deep

    def within(self, step: str, container: Value) -> Self:
        """Note that it happened at `step` of `container`; return itself."""
        self.steps.append((step, container))
        return self

    def error(self, path: str) -> EncodeError:
        """Return the error that the user sees, for a value that stands at `path`."""
        seen: dict[int, str] = {}
        for step, container in reversed(self.steps):
            first = seen.setdefault(id(container), path)
            if self._deep and first != path:
                message = f"The value at {path} contains itself: it stands at {first} too."
                return EncodeError(message, path=path, type_name=full_name(type(container)))
            path += step
        return EncodeError(f"The value at {path} {self.message}", path=path, type_name=self.type_name)


FAILURES: Final = (UnstorableError, RuntimeError)
"""What a walk may raise: the signal; too little stack (RecursionError); a container that another thread changed."""


def too_deep(culprit: Value) -> UnstorableError:
    """Return the signal for a value that is nested deeper than a stored value may be."""
    return UnstorableError(f"is nested too deep: a stored value has at most {MAX_DEPTH} levels.", culprit, deep=True)


def blame(exc: UnstorableError | RuntimeError, step: str, container: Value) -> UnstorableError:
    """Return the signal for `exc`, one step further out."""
    if isinstance(exc, UnstorableError):
        return exc.within(step, container)
    if isinstance(exc, RecursionError):
        return too_deep(container).within(step, container)
    return UnstorableError(f"changed while it was being stored ({exc}).", container).within(step, container)


def key_step(key: Value) -> str:
    """Return the step to a dict's key: `.name`, `["odd key"]`, or `[1]` for a key that is no text."""
    if not isinstance(key, str):
        return f"[{_show(key)}]"
    if key.isidentifier():
        return f".{key}"
    return f"[{json.dumps(key, ensure_ascii=False)}]".encode("utf-8", "backslashreplace").decode()


def _show(key: Value) -> str:
    try:
        return reprlib.repr(key)
    except ValueError:
        # Python writes no integer of more than 4,300 digits in decimal.
        return f"a huge {type(key).__name__}"


def full_name(cls: type) -> str:
    """Return `module.Qualified.Name`; a built-in goes by its bare name."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def height(tree: JsonTree) -> int:
    """Return how many levels of containers a tree has, without recursion."""
    levels = 0
    row: list[JsonTree] = [tree]
    while row := [node for node in row if isinstance(node, dict | list)]:
        levels += 1
        row = [child for node in row for child in _children(node)]
    return levels


def _children(node: JsonTree) -> list[JsonTree]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []
