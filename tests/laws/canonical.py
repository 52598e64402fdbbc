"""Events without what chance gave them: ids become the names of what they identify, times and order are left out."""

import re
from dataclasses import replace
from typing import Final

from perdure.codec import decode_event, encode_event
from perdure.events import Event, Record, StepCommitted, TaskInterrupted
from perdure.ports import Saver
from tests.laws.logs import essence
from tests.laws.scripts import THREAD

ID: Final = re.compile(r"(?:[0-9a-f]{16}|main)-[0-9a-f]{8}-[0-9a-f]{16}|\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b")
"""A checkpoint's, an interrupt's, or any other id."""


def canonical(saver: Saver) -> list[str]:
    """Return the thread's events as texts that are the same for each run of the same program, in order of position."""
    names = _Names()
    found: list[str] = []
    for record in saver.tail(limit=1_000_000):
        if record.thread_id == THREAD:
            event = essence(decode_event(record))
            names.learn(record, event)
            found.append(names.tell(record, event))
    return found


class _Names:
    """What each id identifies. Ids are learned from the event that first mentions them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def learn(self, record: Record, event: Event) -> None:
        """Name the ids that an event brings into the world."""
        branch, namespace = self._replaced(record.branch), self._replaced(record.namespace)
        here = f"{branch}:{namespace}"
        self._name(record.run_id, "run")
        if record.kind == "Forked":
            self._name(record.branch, "branch")
        if isinstance(event, StepCommitted):
            self._name(record.checkpoint_id, f"<{here} step {event.step}>")
            for task in event.next:
                self._name(task.id, f"<{here} {task.node}[{task.index}]>")
        elif isinstance(event, TaskInterrupted):
            for number, question in enumerate(event.questions):
                self._name(question.id, f"<{here} {self._replaced(record.task_id)}?{number}>")
        else:
            self._name(record.task_id, f"<{here} update>")

    def tell(self, record: Record, event: Event) -> str:
        """Return an event with names for ids."""
        if isinstance(event, StepCommitted):
            # A merge of parallel writes names them in task-path order already; a planned task's triggers do, too.
            event = replace(event, changes=dict(sorted(event.changes.items())))
        envelope = (record.branch, record.kind, record.run_id, record.namespace, record.checkpoint_id, record.task_id)
        return self._replaced(f"{' '.join(envelope)} {encode_event(event).decode()}")

    def _name(self, id: str, name: str) -> None:
        if not id or id in self._known or id == "main":
            return
        number = self._taken[name] = self._taken.get(name, 0) + 1
        self._known[id] = f"{name}#{number}"

    def _replaced(self, text: str) -> str:
        return ID.sub(lambda found: self._known.get(found[0], found[0]), text)
