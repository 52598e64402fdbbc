"""What described graphs work on, and the world outside of the log that their nodes leave traces in."""

import operator
from collections import Counter
from threading import Lock
from typing import Annotated, Any, NamedTuple, TypeAlias, TypedDict

from perdure.engine.context import CURRENT

Seen: TypeAlias = dict[str, Any]


def upsert(held: list[Seen], new: list[Seen]) -> list[Seen]:
    """Put messages into a list, those with a known id in the place of the old ones."""
    merged = {one["id"]: one for one in held}
    merged.update((one["id"], one) for one in new)
    return list(merged.values())


def longer(held: str, new: str) -> str:
    """Keep the longer text."""
    return max(held, new, key=len)


class State(TypedDict, total=False):
    trace: Annotated[list[Any], operator.add]
    count: Annotated[int, operator.add]
    facts: Annotated[dict[str, Any], operator.or_]
    messages: Annotated[list[Seen], upsert]
    longest: Annotated[str, longer]
    tags: Annotated[set[str], operator.or_]
    rounds: Annotated[dict[str, int], operator.or_]
    letters: list[Seen]
    card: dict[str, Any]
    text: str


class Shared(TypedDict, total=False):
    """What a graph inside hands back where others may run beside it."""

    facts: Annotated[dict[str, Any], operator.or_]
    messages: Annotated[list[Seen], upsert]
    longest: Annotated[str, longer]


class Handed(Shared, total=False):
    """What a graph inside hands back where it is alone: the whole conversation, too."""

    letters: list[Seen]
    card: dict[str, Any]
    text: str


class FlakyError(Exception):
    """A node failed, as it was described to."""


class Execution(NamedTuple):
    """One execution of a node, and whether it came to its end."""

    path: str
    branch: str
    task_id: str
    ended: bool


class World:
    """What happens outside of the log: who was executed, how often a node has failed or paused."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self._met: Counter[str] = Counter()
        self._lock = Lock()

    def note(self, path: str, *, ended: bool) -> None:
        """Remember that the current task's node begins or has come to its end."""
        task = CURRENT.get()
        with self._lock:
            self.executions.append(Execution(path, task.session.writer.branch, task.task.id, ended))

    def fail(self, path: str, times: int) -> None:
        """Raise FlakyError the first `times` times."""
        if self._early(f"{path} fails", times):
            raise FlakyError(f"{path} is not ready yet")

    def pause(self, path: str, times: int) -> None:
        """Raise InterruptedError the first `times` times."""
        if self._early(f"{path} pauses", times):
            raise InterruptedError(f"{path} wants to wait")

    def _early(self, what: str, times: int) -> bool:
        with self._lock:
            self._met[what] += 1
            return self._met[what] <= times
