"""Looking at a thread's past: the state at a checkpoint, and all checkpoints. Flows.

A checkpoint is shown as a record of its step: its values, its tasks, and what became of them up to the next checkpoint
of its graph. The newest one is shown live: with the finished tasks' writes applied, and only what is still open.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from perdure.definition.blueprint import Blueprint
from perdure.engine.load import Loaded, fold_record, load_at
from perdure.engine.snapshots import snapshot_of
from perdure.events import Kind, Record
from perdure.lineage import Ask, Asking, Segment, check, find_checkpoint, lineage, no_such_branch, segments_of
from perdure.ports import Branch
from perdure.rules.project import ThreadState, within
from perdure.types import StateSnapshot

GLANCE: Final = 4
"""Checkpoints in the first look for the one that ends a step: usually it is the next."""
WINDOW: Final = 500
"""Events between two looks for the checkpoint that ends a step."""


def state_at(thread_id: str, checkpoint: str) -> Asking[tuple[Loaded, str, bool]]:
    """Return the projection that shows a checkpoint, its namespace, and whether it is its branch's newest.

    Raises UnknownCheckpointError.
    """
    record = yield from find_checkpoint(thread_id, checkpoint)
    end = yield from _end_of_step(thread_id, record)
    loaded = yield from load_at(thread_id, record.branch, end)
    head = yield Ask("head", (thread_id, record.branch))
    return loaded, record.namespace, head is not None and head.seq == end


def _end_of_step(thread_id: str, record: Record) -> Asking[int]:
    """Return the seq of the last event before the next checkpoint of the same graph, or of one around it (which ends
    it), on the same branch.
    """
    after, window = record.seq, GLANCE
    while True:
        page: list[Record] = yield Ask(
            "read",
            (thread_id, record.branch),
            {"after": after, "limit": window, "kinds": (Kind.STEP_COMMITTED,)},
        )
        for one in page:
            if within(record.namespace, one.namespace):
                return one.seq - 1
        if len(page) < window:
            head = yield Ask("head", (thread_id, record.branch))
            return record.seq if head is None else head.seq
        after, window = page[-1].seq, WINDOW


def newest_checkpoint(thread_id: str, branch: str, namespace: str) -> Asking[Record | None]:
    """Return a graph's newest checkpoint on a branch's line of history, whether the graph still lives or not."""
    head = yield Ask("head", (thread_id, branch))
    if head is None:
        return None
    segments = yield from segments_of(thread_id, branch, head.seq)
    for segment in reversed(segments):
        upto = segment.upto
        while upto > segment.after:
            page: list[Record] = yield Ask(
                "read",
                (thread_id, segment.branch),
                {
                    "after": segment.after,
                    "upto": upto,
                    "limit": WINDOW,
                    "newest_first": True,
                    "kinds": (Kind.STEP_COMMITTED,),
                },
            )
            for one in page:
                if one.namespace == namespace:
                    return one
            if len(page) < WINDOW:
                break
            upto = page[-1].seq - 1
    return None


@dataclass(frozen=True, slots=True)
class Query:
    """Which checkpoints are wanted: of which graph, on one branch's line of history or (None) on all branches."""

    thread_id: str
    blueprint: Blueprint | None
    namespace: str = ""
    branch: str | None = None
    before: str | None = None
    limit: int | None = None
    wanted: Callable[[StateSnapshot], bool] | None = None


def history(query: Query) -> Asking[list[StateSnapshot]]:
    """Return checkpoints, newest first.

    Values come from one forward fold a branch; a later page of `limit` costs no more than the first.
    """
    spans = yield from _spans(query)
    older_than = None
    if query.before is not None:
        older_than = (yield from find_checkpoint(query.thread_id, query.before)).position
    marks: list[Record] = []
    for span in spans:
        marks += yield from _checkpoints(query, span, older_than)
    marks.sort(key=lambda one: one.position, reverse=True)
    if query.wanted is None:
        marks = marks[: query.limit]
    found = yield from _views(query, spans, marks)
    shown = [found[record.checkpoint_id] for record in marks]
    if query.wanted is not None:
        shown = [one for one in shown if query.wanted(one)][: query.limit]
    return shown


def _spans(query: Query) -> Asking[list[Segment]]:
    """Return the parts of the log to look at."""
    yield Ask("head", (query.thread_id,))  # a deleted thread says so
    branches: list[Branch] = yield Ask("branches", (query.thread_id,))
    if query.branch is None:
        return [Segment(one.id, one.fork_seq, one.head_seq) for one in branches]
    heads = {one.id: one.head_seq for one in branches}
    if query.branch not in heads:
        raise no_such_branch(query.thread_id, query.branch, branches)
    return lineage(branches, query.branch, heads[query.branch])


def _checkpoints(query: Query, span: Segment, older_than: int | None) -> Asking[list[Record]]:
    """Return a span's checkpoints (without payloads), newest first, no more than can be wanted."""
    enough = query.limit if query.wanted is None else None
    found: list[Record] = []
    upto = span.upto
    while upto > span.after and (enough is None or len(found) < enough):
        window = WINDOW if enough is None else min(WINDOW, enough + GLANCE)
        page: list[Record] = yield Ask(
            "read",
            (query.thread_id, span.branch),
            {
                "after": span.after,
                "upto": upto,
                "limit": window,
                "newest_first": True,
                "kinds": (Kind.STEP_COMMITTED,),
            },
        )
        found += [
            one._replace(payload=b"")
            for one in page
            if one.namespace == query.namespace and (older_than is None or one.position < older_than)
        ]
        if len(page) < window:
            break
        upto = page[-1].seq - 1
    return found[:enough]


def _views(query: Query, spans: list[Segment], marks: list[Record]) -> Asking[dict[str, StateSnapshot]]:
    """Return the snapshot of each checkpoint, by one fold forward over each branch that has any."""
    views: dict[str, StateSnapshot] = {}
    for span in spans:
        mine = {one.checkpoint_id: one.seq for one in marks if one.branch == span.branch}
        if mine:
            loaded = yield from load_at(query.thread_id, span.branch, min(mine.values()))
            views |= yield from _walk(query, span, set(mine), loaded.state)
    return views


def _walk(query: Query, span: Segment, missing: set[str], state: ThreadState) -> Asking[dict[str, StateSnapshot]]:
    """Fold forward over one branch; show a checkpoint when the next one is about to replace it."""
    views: dict[str, StateSnapshot] = {}

    def show() -> None:
        checkpoint = state.graph(query.namespace).checkpoint
        if checkpoint in missing:
            views[checkpoint] = snapshot_of(query.blueprint, query.thread_id, state, query.namespace, live=False)
            missing.discard(checkpoint)

    after = state.seq
    while missing and after < span.upto:
        page: list[Record] = yield Ask(
            "read", (query.thread_id, span.branch), {"after": after, "upto": span.upto, "limit": WINDOW}
        )
        if not page:
            break
        for record in page:
            if record.kind == Kind.STEP_COMMITTED and within(query.namespace, record.namespace):
                show()
            check(state.hash, record)
            fold_record(state, record)
        after = page[-1].seq
    show()
    return views
