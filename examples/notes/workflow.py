"""The workflow: its state, its nodes, its graph. START → collect → summarise × groups → draft → approve → write.

The nodes are plain functions: they get the state and return what changes. That each change is in the log before
anything that depends on it runs, they need not know.
"""

import operator
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from notes import commits
from notes.accident import Accident, Diary
from notes.commits import Group, Section
from perdure import END, START, CompiledGraph, Saver, Send, StateGraph, interrupt
from perdure.runtime import Runtime

# --- the state ------------------------------------------------------------------------------------------------


class Notes(TypedDict, total=False):
    """What the nodes read and write. Each change is in the log before the next node runs."""

    project: str
    head: str
    commits: int
    groups: list[Group]
    sections: Annotated[list[Section], operator.add]
    title: str
    opening: str
    approved: bool
    file: str


class Task(TypedDict):
    """What one `summarise` task gets."""

    group: Group
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What this process lends to the nodes: never stored, so it may hold anything."""

    folder: Path
    diary: Diary
    accident: Accident | None = None


# --- the nodes ------------------------------------------------------------------------------------------------


def collect(state: Notes) -> Notes:
    """Read the log and sort the commits into groups."""
    found = commits.read_commits(state["head"])
    return {"commits": len(found), "groups": commits.group(found)}


def fan_out(state: Notes) -> list[Send]:
    """Plan one task for each group; they run side by side."""
    groups = state["groups"]
    return [Send("summarise", Task(group=one, number=i, total=len(groups))) for i, one in enumerate(groups)]


def summarise(task: Task, runtime: Runtime[Desk]) -> Notes:
    """Turn one group into a section."""
    desk = runtime.context
    if desk.accident is not None:
        desk.accident.threaten(task["number"], task["total"])
    section = commits.summarise(**task["group"])
    desk.diary.add(section["heading"])
    return {"sections": [section]}


def draft(state: Notes) -> Notes:
    """Join the sections. They arrive in the order of the groups, whichever was done first."""
    return {"title": f"Release notes of {state['project']}", "opening": f"{commits.many(state['commits'], 'commit')}."}


def approve(state: Notes) -> Notes:
    """Ask a human. The run ends here and takes no process to wait; the answer may come next month."""
    answer = interrupt({"question": "Publish these notes?", "draft": as_text(state)})
    return {"approved": answer["approved"], "opening": answer.get("opening") or state["opening"]}


def is_approved(state: Notes) -> Literal["write", "__end__"]:
    """Publish, or stop."""
    return "write" if state["approved"] else END


def write(state: Notes, runtime: Runtime[Desk]) -> Notes:
    """Write the file, in one instant and once: a task that is killed before it was recorded will run again."""
    assert runtime.execution_info is not None
    slug = "-".join(re.findall(r"\w+", state["title"].lower()))
    file = runtime.context.folder / f"{runtime.execution_info.thread_id}.{slug}.md"
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(as_text(state), encoding="utf-8")
        unfinished.replace(file)
    return {"file": file.name}


def as_text(state: Notes) -> str:
    """Return the notes as Markdown."""
    lines = [f"# {state['title']}", "", state["opening"]]
    for section in state["sections"]:
        lines += ["", f"## {section['heading']}", "", *(f"- {line}" for line in section["lines"])]
    return "\n".join(lines) + "\n"


# --- the graph ------------------------------------------------------------------------------------------------


def build(saver: Saver) -> CompiledGraph:
    """Write the graph down and compile it with a saver."""
    builder = StateGraph(Notes, context_schema=Desk)
    builder.add_node("collect", collect)
    builder.add_node("summarise", summarise)
    builder.add_node("draft", draft)
    builder.add_node("approve", approve)
    builder.add_node("write", write)
    builder.add_edge(START, "collect")
    builder.add_conditional_edges("collect", fan_out, ["summarise"])
    builder.add_edge("summarise", "draft")
    builder.add_edge("draft", "approve")
    builder.add_conditional_edges("approve", is_approved)
    builder.add_edge("write", END)
    return builder.compile(checkpointer=saver, name="release-notes")
