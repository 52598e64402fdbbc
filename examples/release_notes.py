"""Release notes from `git log`: a workflow that survives a SIGKILL, asks a human, and can be rewound.

    python examples/release_notes.py                 asks; without a terminal it stops at the question
    python examples/release_notes.py --approve       publishes
    python examples/release_notes.py --edit TEXT     publishes with TEXT as the opening line

The graph is in `notes/workflow.py`; here is the story that the demo tells with it. A thread is named after the newest
commit: a second run finds it finished and runs nothing (`--again` begins another one).
"""

import io
import os
import sys
from itertools import count

from notes import commits, options, screen, workers
from notes.accident import Accident, Diary
from notes.commits import Source
from notes.options import DemoError, Options
from notes.workflow import Desk, Notes, build
from perdure import CompiledGraph, StateSnapshot, open_saver
from perdure.errors import PerdureError
from perdure.thread import Thread


def main() -> int:
    """Run the demo; an error is one line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        chosen = options.read()
        options.make_folder(chosen.folder)
        with open_saver(chosen.url) as saver:
            tell(chosen, build(saver))
    except KeyboardInterrupt:
        return screen.fail("stopped; the same command goes on from here")
    except (PerdureError, DemoError, OSError) as error:
        return screen.fail(str(error))
    return 0


def tell(chosen: Options, graph: CompiledGraph) -> None:
    """Begin the thread, go on with it, or show that it is done: the log says what comes next."""
    source = commits.find_source()
    if chosen.worker is not None:
        work(graph.thread(chosen.worker, actor="worker"), chosen, source)
        return
    thread = the_thread(graph, chosen, source)
    screen.opening(thread.id, source, chosen.url)
    state = newest(thread)
    if state is None or state.next:
        draft(thread, chosen)
        if not publish(thread, chosen):
            return
    else:
        screen.chapter("Done already: nothing runs twice, the log tells what happened (--again begins anew)")
    if len(thread.branches()) == 1 and thread.state().values["approved"]:
        fork(thread, chosen)
    look_back(thread)


def the_thread(graph: CompiledGraph, chosen: Options, source: Source) -> Thread:
    """Return the thread of the newest commit; with `--again` the first of its threads that is not finished."""
    actor = os.environ.get("USER") or "somebody"
    thread = graph.thread(f"notes-{source.name}", actor=actor)
    if chosen.again:
        numbers = count(2)
        while (state := newest(thread)) is not None and not state.next:
            thread = graph.thread(f"notes-{source.name}-{next(numbers)}", actor=actor)
    return thread


def newest(thread: Thread) -> StateSnapshot | None:
    """Return the newest checkpoint of the branch that the thread began with."""
    return thread.history(branch="main", limit=1)[0] if thread.branches() else None


def desk_of(thread: Thread, chosen: Options, accident: Accident | None = None) -> Desk:
    """Return what this process lends to the nodes."""
    return Desk(chosen.folder, Diary(chosen.folder / f"{thread.id}.diary"), accident)


# --- 1 and 2: a crash, and going on ---------------------------------------------------------------------------


def work(thread: Thread, chosen: Options, source: Source) -> None:
    """Be a worker process: begin the thread, or go on with it."""
    accident = Accident(lambda: len(workers.recorded(thread, "summarise"))) if chosen.crash else None
    fresh = not thread.events(limit=1)
    thread.invoke(
        Notes(project=source.project, head=source.head) if fresh else None, context=desk_of(thread, chosen, accident)
    )


def draft(thread: Thread, chosen: Options) -> None:
    """Have a worker make the draft. The first one of a thread dies half-way."""
    if newest(thread) is not None:
        screen.chapter("1  The thread stands in the log already; a process goes on with it")
        if not thread.pending():
            run_worker(thread, chosen)
        return
    screen.chapter("1  A process runs the workflow, and kills itself in the middle of the fan-out")
    first = run_worker(thread, chosen, "--crash")
    before = workers.recorded(thread, "summarise")
    done = ", ".join(task.writes[0].operand[0]["heading"] for task in before) or "no task yet"
    screen.say(f"   process {first} is dead (SIGKILL); the log holds: {done}")
    screen.chapter("2  Another process goes on")
    second = run_worker(thread, chosen)
    diary = desk_of(thread, chosen).diary
    after, twice = diary.done_by(second), diary.done_twice()
    screen.say(f"   {commits.many(len(before), 'task')} recorded before the crash, {after} run after it, {twice} twice")


def run_worker(thread: Thread, chosen: Options, *flags: str) -> int:
    """Run a worker process, show what it records, and return its id."""
    with screen.working():
        return workers.run(chosen.command("--worker", thread.id, *flags), thread, screen.tasks)


# --- 3: a question --------------------------------------------------------------------------------------------


def publish(thread: Thread, chosen: Options) -> bool:
    """Answer the question, or tell how to do it later; tell whether it was answered."""
    screen.chapter("3  The workflow asks a human; it waits in the log, no process has to")
    [question] = thread.pending()
    screen.preview(question.value["draft"])
    answer = chosen.answer or (screen.ask() if sys.stdin.isatty() and sys.stdout.isatty() else None)
    if answer is None:
        screen.say("   Paused, for as long as you like. Go on with:")
        screen.say(f"   {chosen.how_to_go_on}")
        return False
    done = thread.resume(answer, context=desk_of(thread, chosen))
    said = "approved" if answer["approved"] else "rejected"
    edited = f" with the opening line {answer['opening']!r}" if "opening" in answer else ""
    screen.say(f"   {said}{edited}; {wrote(chosen, done)}")
    return True


def wrote(chosen: Options, state: Notes) -> str:
    """Say which file a run wrote."""
    return f"wrote {chosen.folder / state['file']}" if "file" in state else "wrote nothing"


# --- 4 and 5: going back, looking back ------------------------------------------------------------------------


def fork(thread: Thread, chosen: Options) -> None:
    """Go back to the draft and publish it under another title, on a branch of its own."""
    screen.chapter("4  Back to the draft, and on with another title, on a branch of its own")
    drafted = next(state for state in thread.history(branch="main") if state.next == ("approve",))
    title = f"What is new in {drafted.values['project']}"
    other = thread.fork(drafted.config["configurable"]["checkpoint_id"], name="another-title")
    other.update({"title": title})
    other.invoke(context=desk_of(thread, chosen))
    done = other.resume({"approved": True}, context=desk_of(thread, chosen))
    screen.say(f"   {title!r}: asked anew, because the answer above is not part of this branch")
    screen.say(f"   approved; {wrote(chosen, done)}")


def look_back(thread: Thread) -> None:
    """Show the history, the branches, and whether every byte of the log is what was written."""
    screen.chapter("Looking back: the history of main, all branches, the hash chain")
    screen.history(thread.history(branch="main"))
    branches = thread.branches()
    screen.tree(thread.id, branches, {one.id: thread.events(branch=one.id) for one in branches})
    found = thread.verify()
    if found.problem is not None:
        raise found.problem
    screen.say(f"   verified: {found.events} events, {found.branches} branches, each hash follows from the one before")


if __name__ == "__main__":
    sys.exit(main())
