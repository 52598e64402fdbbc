"""`Opaque`: what stands for stored data whose tag or type this process does not know.

It shows, compares and hashes by its stored bytes, and encodes to exactly the tree that it was read from.
"""

from dataclasses import dataclass

import orjson

from perdure.codecs.tree import JsonTree

_SHOWN = 120


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Opaque:
    """A stored value that this process cannot rebuild: an unknown tag, or a type that nobody registered."""

    tag: str
    data: bytes
    """The whole stored object, as JSON text."""

    def __init__(self, tag: str, tree: JsonTree) -> None:
        object.__setattr__(self, "tag", tag)
        object.__setattr__(self, "data", orjson.dumps(tree))

    @property
    def tree(self) -> JsonTree:
        """The whole stored object, tag included: a copy of its own."""
        tree: JsonTree = orjson.loads(self.data)
        return tree

    @property
    def type_name(self) -> str | None:
        """The stored name of the unregistered type, or None for an unknown tag."""
        tree = self.tree
        name = tree.get("type") if isinstance(tree, dict) else None
        return name if isinstance(name, str) else None

    def __repr__(self) -> str:
        text = self.data.decode()
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(self.data)} bytes)"
        return f"Opaque({self.type_name or self.tag}: {shown})"
