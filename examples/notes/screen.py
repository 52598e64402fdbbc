"""What the demo shows: with colours on a terminal, as plain lines elsewhere. Nothing here is durable."""

import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.tree import Tree

from notes.commits import Source, many
from perdure.events import StepCommitted, TaskSucceeded
from perdure.ports import Branch
from perdure.thread import LoggedEvent
from perdure.types import START, StateSnapshot

WIDTH: Final = 100
PREVIEW: Final = 7
"""Lines of the draft that are shown."""
console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """Print a line that may hold anything."""
    console.print(escape(text), style=style or None)


def chapter(text: str) -> None:
    """Begin a part of the story."""
    say(text, "bold cyan")


def opening(thread_id: str, source: Source, url: str) -> None:
    """Show what is about to happen, and where."""
    place = source.project + (f" up to {source.name}" if source.head else "")
    say(f"Release notes of {place} · thread {thread_id} · log in {url}", "bold")
    if source.remark:
        say(f"   {source.remark}", "yellow")


def working() -> Status:
    """Show, on a terminal, that somebody works."""
    return console.status("another process is at work")


def tasks(events: list[TaskSucceeded]) -> None:
    """Show tasks that were recorded: a line a node."""
    for node, same in groupby(events, key=lambda event: event.node):
        said = [_result(node, {write.channel: write.operand for write in event.writes}) for event in same]
        if said[0]:
            console.print(f"   [green]recorded[/]  {node:<10} {escape(' · '.join(said))}")


def _result(node: str, written: dict[str, Any]) -> str:
    match node:
        case "collect":
            return f"{many(written['commits'], 'commit')}, {many(len(written['groups']), 'section')} to write"
        case "summarise":
            [section] = written["sections"]
            return f"{section['heading']} ({many(len(section['lines']), 'line')})"
        case "draft":
            return str(written["title"])
        case _:
            return ""


def preview(text: str) -> None:
    """Show the beginning of the draft."""
    lines = [line for line in text.splitlines() if line]
    for line in lines[:PREVIEW]:
        say(f"   | {line}"[:WIDTH], "dim")
    if len(lines) > PREVIEW:
        say(f"   | … {len(lines) - PREVIEW} more lines", "dim")


def ask() -> dict[str, Any] | None:
    """Ask the human; None when there is no answer yet."""
    try:
        words = console.input("   Publish? [bold]Enter[/] yes · [bold]n[/] no · or type another opening line: ").strip()
    except (EOFError, KeyboardInterrupt):
        console.print()
        return None
    if words.lower() in ("n", "no"):
        return {"approved": False}
    return {"approved": True} if words.lower() in ("", "y", "yes") else {"approved": True, "opening": words}


def history(states: Iterable[StateSnapshot]) -> None:
    """Show a branch's checkpoints, newest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("step", "checkpoint", "at (UTC)", "what came next"):
        table.add_column(name)
    for state in states:
        step, at = (state.metadata or {})["step"], (state.created_at or "")[11:23]
        table.add_row(str(step), state.config["configurable"]["checkpoint_id"], at, counted(state.next) or "the end")
    console.print(table)


def tree(thread_id: str, branches: list[Branch], logs: dict[str, list[LoggedEvent]]) -> None:
    """Show the branches as a tree: where one was forked, its parent's line is cut, and both go on below."""
    root = Tree(f"thread {escape(thread_id)}")
    for branch in branches:
        if branch.parent is None:
            _grow(root, branch, branches, logs)
    console.print(root)


def _grow(above: Tree, branch: Branch, branches: list[Branch], logs: dict[str, list[LoggedEvent]]) -> None:
    steps = [(one.seq, one.event) for one in logs[branch.id] if one.branch == branch.id]
    forks = [one for one in branches if one.parent == branch.id]
    begin, name = branch.fork_seq, branch.name or branch.id
    for end in sorted({one.fork_seq for one in forks} | {branch.head_seq}):
        line = [_step(event) for seq, event in steps if begin < seq <= end and isinstance(event, StepCommitted)]
        below = above.add(f"[cyan]{escape(name)}:[/] {escape(' · '.join(filter(None, line)))}")
        for one in forks:
            if one.fork_seq == end:
                _grow(below, one, branches, logs)
        above, begin = below, end


def _step(event: StepCommitted) -> str:
    """Return what made a checkpoint: the nodes that ran, or an input, an update, a fork."""
    if event.source != "loop":
        return event.source
    return counted(tuple(name for name in event.ran if name != START))


def counted(names: tuple[str, ...]) -> str:
    """Return `summarise x 5, draft` for names that repeat."""
    return ", ".join(
        name if names.count(name) == 1 else f"{name} x {names.count(name)}" for name in dict.fromkeys(names)
    )


def fail(words: str) -> int:
    """Print an error in one line and return the exit code."""
    print("release_notes:", " ".join(words.split()), file=sys.stderr)
    return 1
