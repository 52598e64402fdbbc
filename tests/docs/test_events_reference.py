"""docs/reference/events.md names every event, and every field that its payload can have."""

import re
from pathlib import Path
from typing import get_args

import orjson
import pytest

from perdure import events
from perdure.append_rules import tombstone
from perdure.codec import encode_event
from perdure.events import Kind, Question, Record, Route, Write

PAGE = (Path(__file__).parents[2] / "docs/reference/events.md").read_text(encoding="utf-8")
WRITES, ROUTES = (Write("channel", 1),), (Route("node"),)
BODY = (WRITES, ROUTES)

FULL: list[events.Event] = [
    events.RunStarted("graph", "shape", WRITES, "base", "exit", ("passed",), 7, {"user": "anna"}),
    events.SubgraphStarted("graph", "shape", WRITES),
    events.TaskSucceeded("node", WRITES, ROUTES, 2, 5),
    events.TaskFailed("node", "error", "message", "traceback", 1, True, BODY),
    events.TaskInterrupted("node", (Question("id", 1, {"type": "string"}),), "paused", BODY),
    events.CallRecorded((0,), "function", 1, "error", "message"),
    events.InterruptResolved("id", "answer", "reason"),
    events.StateUpdated("node", WRITES, ROUTES, "reason"),
    events.StepCommitted("parent", 1, "loop", {"key": events.Remove()}, (), ("node",), ("task",)),
    events.Forked("main", 1, "checkpoint", "name", "reason"),
    events.RunFinished("crashed", "error", "message", ("checkpoint",), "run"),
    events.HistoryPruned(1, "hash", 1, "reason"),
    events.ThreadDeleted(1, "reason"),
]
"""One event of each kind, every field given."""


def section(kind: str) -> str:
    """Return what the page says of an event: all up to the next heading."""
    for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE):
        heading, _, text = part.partition("\n")
        if kind in heading.split(", "):
            return text
    raise AssertionError(f"no section on {kind}")


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_one_of_each_kind() -> None:
    """The list above is the closed union."""
    assert [type(event) for event in FULL] == list(get_args(events.Event))
    assert [type(event).__name__ for event in FULL] == list(Kind)


@pytest.mark.parametrize("event", FULL, ids=lambda event: type(event).__name__)
def test_every_field_is_named(event: events.Event) -> None:
    """A field that is stored stands in the event's section."""
    fields = orjson.loads(encode_event(event)).keys()
    assert fields - named(section(type(event).__name__)) == set()


@pytest.mark.parametrize("event", FULL[:9], ids=lambda event: type(event).__name__)
def test_every_field_in_a_table_is_stored(event: events.Event) -> None:
    """A field that a section's table names in its first column is stored."""
    rows = re.findall(r"^\| (`[^|]*) \|", section(type(event).__name__), flags=re.MULTILINE)
    assert named(" ".join(rows)) - orjson.loads(encode_event(event)).keys() == set()


def test_a_tombstone_has_the_fields_of_thread_deleted() -> None:
    """Savers write the tombstone themselves."""
    newest = Record("t", "main", 1, "RunFinished", 1, "", "", "", "", 0, "", bytes(32), b"{}")
    stone = tombstone(newest, removed=1, reason=None, actor="", at=0)
    assert orjson.loads(stone.payload).keys() == {"removed", "reason"}


def test_the_envelope_is_named() -> None:
    """Each column stands in the part on the envelope."""
    assert set(Record._fields) - {"payload"} <= named(section("The envelope"))
