"""The process behind the crash matrix: runs a program, killed at place 0, 1, 2, …, and goes on after each kill.

    python -m tests.acceptance.crash_program FOLDER URL PROGRAM sync|async [DURABILITY [PLACES]]

Each place has a saver of its own, which URL names: its word PLACE stands for the place's number.

Whoever runs, dies or goes on is a child, forked before any saver was opened. Prints what was found as JSON: a list of
`Found`, at least PLACES of them, the last one of a child that met no fatal place. Judges nothing.
"""

import asyncio
import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from perdure import CompiledGraph, open_saver
from perdure.events import Kind, Record
from perdure.ports import Saver
from perdure.thread import Thread
from perdure.types import Durability, StateUpdate
from tests.acceptance.crash_graphs import PROGRAMS, THREAD, Invoke, Program, View
from tests.acceptance.crash_stage import Stage
from tests.acceptance.forks import fork, prepare, reap
from tests.acceptance.watched import watch


@dataclass
class Found:
    """What a thread looked like when a process had ended, and after another had gone on with it."""

    killed: bool
    """Whether the process was killed, or ran to the end."""
    story: list[str]
    """The log it left, without ids and times."""
    recorded: list[str]
    """`branch task` of each TaskSucceeded it left."""
    before: list[str]
    after: list[str]
    """The side file's lines before and after the second process began."""
    sound: list[bool]
    """Whether the hash chains held, before and after."""
    recorded_after: list[str]
    done: list[str]
    """`branch number, node` of each TaskSucceeded in the end: a task done anew under another id shows here."""
    unfinished: list[str]
    """The runs that have not finished exactly once, in the end."""
    ended: list[Any]
    """The values at the end of each branch."""


class Place(NamedTuple):
    """Where one process dies."""

    folder: Path
    """For its side file."""
    url: str


# --- one process --------------------------------------------------------------------------------------------


def run(url: str, program: Program, stage: Stage, durability: Durability) -> None:
    """Do what the operator says until there is nothing left to do."""
    saver = watch(open_saver(url), stage.append)
    graph = program.build(stage, saver)
    if stage.asynchronous:
        asyncio.run(_aoperate(graph, program, saver, durability))
    else:
        with saver:
            _operate(graph, program, durability)


def _operate(graph: CompiledGraph, program: Program, durability: Durability) -> None:
    thread = graph.thread(THREAD)
    while move := program.decide(View(thread.state(), thread.branches(), thread.history())):
        if isinstance(move, Invoke):
            graph.invoke(move.input, move.config or thread.config, durability=durability)
        else:
            graph.bulk_update_state(move.config, [[StateUpdate(move.values)]])


async def _aoperate(graph: CompiledGraph, program: Program, saver: Saver, durability: Durability) -> None:
    thread = graph.thread(THREAD)
    async with saver:
        while move := program.decide(View(await thread.astate(), await thread.abranches(), await thread.ahistory())):
            if isinstance(move, Invoke):
                await graph.ainvoke(move.input, move.config or thread.config, durability=durability)
            else:
                await graph.abulk_update_state(move.config, [[StateUpdate(move.values)]])


def go_on(place: Place, program: Program, stage: Stage, durability: Durability, killed: bool) -> None:
    """Look at what a process left, run to the end, and write down what was found."""
    with open_saver(place.url) as saver:
        thread = program.build(stage, saver).thread(THREAD)
        records, sound, before = _records(thread, saver), bool(thread.verify()), stage.lines()
        run(place.url, program, stage, durability)
        thread = program.build(stage, saver).thread(THREAD)
        ended = _records(thread, saver)
        found = Found(
            killed,
            story=told(records),
            recorded=_succeeded(records),
            before=before,
            after=stage.lines()[len(before) :],
            sound=[sound, bool(thread.verify())],
            recorded_after=_succeeded(ended),
            done=_done(ended),
            unfinished=_unfinished(ended),
            ended=[thread.history(branch=one.id)[0].values for one in thread.branches()],
        )
    (place.folder / "found.json").write_text(json.dumps(asdict(found)))


def _records(thread: Thread, saver: Saver) -> list[Record]:
    return [record for branch in thread.branches() for record in saver.read(THREAD, branch.id)]


def _succeeded(records: list[Record]) -> list[str]:
    return [f"{one.branch} {one.task_id}" for one in records if one.kind == Kind.TASK_SUCCEEDED]


def _done(records: list[Record]) -> list[str]:
    branches = list(dict.fromkeys(one.branch for one in records))
    done = [one for one in records if one.kind == Kind.TASK_SUCCEEDED]
    return sorted(f"{branches.index(one.branch)} {json.loads(one.payload)['node']}" for one in done)


def _unfinished(records: list[Record]) -> list[str]:
    finished = Counter(one.run_id for one in records if one.kind == Kind.RUN_FINISHED)
    return [one.run_id for one in records if one.kind == Kind.RUN_STARTED and finished[one.run_id] != 1]


def told(records: list[Record]) -> list[str]:
    """Return records as lines that do not depend on ids and times: an id is the order in which it appeared."""
    order: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return str(order.setdefault(found[0], len(order)))

    lines = (f"{one.kind} {one.namespace} {one.task_id} {one.payload.decode()}" for one in records)
    return [re.sub(r"\b[0-9a-f]{16}([0-9a-f]{16})?\b", number, re.sub(r'"us":\d+', "", line)) for line in lines]


# --- one after the other ------------------------------------------------------------------------------------


def explore(place: Place, program: Program, asynchronous: bool, durability: Durability, fatal: int) -> Found:
    """Let one process run and die, and another one go on."""
    place.folder.mkdir()
    side = place.folder / "side"
    killed = reap(fork(lambda: run(place.url, program, Stage(side, asynchronous, fatal), durability)))
    if reap(fork(lambda: go_on(place, program, Stage(side, asynchronous), durability, killed))):
        raise RuntimeError("somebody killed the process that went on")
    found = Found(**json.loads((place.folder / "found.json").read_text()))
    shutil.rmtree(place.folder)
    return found


def main(folder: str, url: str, name: str, world: str, durability: Durability = "sync", places: str = "1") -> None:
    prepare(url)
    found: list[Found] = []
    while len(found) < int(places) or found[-1].killed:
        number = str(len(found))
        place = Place(Path(folder) / number, url.replace("PLACE", number))
        found.append(explore(place, PROGRAMS[name], world == "async", durability, len(found)))
    print(json.dumps([asdict(one) for one in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
