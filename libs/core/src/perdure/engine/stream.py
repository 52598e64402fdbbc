"""Streams: parts computed from what is recorded, and held back until it is durable.

A part is (namespace path, mode, data). `custom` parts are no events; they go out at once.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from threading import Lock
from typing import Final, NamedTuple

from perdure.events import Value
from perdure.types import StreamMode


class Part(NamedTuple):
    """One item of a stream before it is shaped for its reader."""

    namespace: str
    mode: StreamMode
    data: Value


class Subscription:
    """One reader: which modes, of which graphs, and the parts it has not read yet."""

    def __init__(self, modes: Collection[StreamMode], *, namespace: str = "", subgraphs: bool = False) -> None:
        self.modes = frozenset(modes)
        self.namespace = namespace
        self.subgraphs = subgraphs
        self.parts: deque[Part] = deque()
        self.wake: Callable[[], None] | None = None

    def wants(self, mode: StreamMode, namespace: str) -> bool:
        """Tell whether a part of this mode and graph is for this reader."""
        if mode not in self.modes:
            return False
        if namespace == self.namespace:
            return True
        return self.subgraphs and (not self.namespace or namespace.startswith(self.namespace + "|"))

    @property
    def live(self) -> bool:
        """Tell whether parts may come while a node runs, so that it must not block the reader."""
        return "custom" in self.modes or "messages" in self.modes or self.subgraphs

    def drain(self) -> Iterator[Part]:
        """Take the parts that are there."""
        while self.parts:
            yield self.parts.popleft()

    def push(self, parts: Iterable[Part]) -> None:
        """Hand over parts and wake the reader."""
        self.parts.extend(parts)
        if self.wake is not None:
            self.wake()


NOBODY: Final = Subscription(())
"""The reader of a call whose parts nobody reads."""


class Stream:
    """Where a run's flows put parts, and from where its readers get them."""

    def __init__(self) -> None:
        self.readers: list[Subscription] = []
        self._held: list[tuple[Subscription, Part]] = []
        self._lock = Lock()

    def wanted(self, mode: StreamMode, namespace: str) -> bool:
        """Tell whether anybody reads this mode of this graph (so that nobody computes parts for no one)."""
        return any(reader.wants(mode, namespace) for reader in self.readers)

    @property
    def live(self) -> bool:
        """Tell whether any reader wants parts while nodes run."""
        return any(reader.live for reader in self.readers)

    def hold(self, namespace: str, mode: StreamMode, data: Value) -> None:
        """Put a part that goes out once what it shows is durable."""
        part = Part(namespace, mode, data)
        with self._lock:
            self._held += [(reader, part) for reader in self.readers if reader.wants(mode, namespace)]

    def send(self, namespace: str, mode: StreamMode, data: Value) -> None:
        """Put a part that goes out now."""
        for reader in self.readers:
            if reader.wants(mode, namespace):
                reader.push((Part(namespace, mode, data),))

    def forget(self) -> None:
        """Drop what was held: it did not come to be."""
        with self._lock:
            self._held = []

    def release(self) -> None:
        """Let out what was held."""
        if not self._held:
            return
        with self._lock:
            held, self._held = self._held, []
        for reader, part in held:
            reader.push((part,))
