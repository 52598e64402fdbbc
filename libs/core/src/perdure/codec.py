"""Events to bytes and back: one readable JSON object an event, its user values tagged by `perdure.codecs`.

Each kind has a writer and a reader here, side by side; a field at its default is left out. What older versions wrote
is brought up to date in `UPCASTS` before it is read.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from perdure.codec_parts import (
    Tree,
    dump_body,
    dump_change,
    dump_route,
    dump_task,
    dump_writes,
    load_body,
    load_change,
    load_routes,
    load_task,
    load_writes,
    some,
    text,
)
from perdure.codecs import from_tree, to_tree
from perdure.errors import DecodeError, EncodeError
from perdure.events import (
    CallRecorded,
    Event,
    Forked,
    HistoryPruned,
    InterruptResolved,
    Question,
    Record,
    RunFinished,
    RunStarted,
    StateUpdated,
    StepCommitted,
    SubgraphStarted,
    TaskFailed,
    TaskInterrupted,
    TaskSucceeded,
    ThreadDeleted,
)

VERSION: Final = 1
"""The version that every kind is written in today."""

UPCASTS: Final[Mapping[tuple[str, int], Callable[[Tree], Tree]]] = {}
"""(kind, version) → what turns such a payload into one of the next version. Version 1 is the first."""


def encode_event(event: Event) -> bytes:
    """Return the event's payload: JSON text in UTF-8.

    Raises EncodeError, with the path of the value that cannot be stored.
    """
    tree = _WRITERS[type(event)](event)
    try:
        return orjson.dumps(tree)
    except TypeError as exc:
        raise EncodeError(f"{type(event).__name__} cannot be stored: {exc}") from exc


def decode_event(record: Record) -> Event:
    """Return the event that a record holds.

    Raises DecodeError, which names the record's place, when its payload is none.
    """
    try:
        tree, version = orjson.loads(record.payload), record.version
        while (record.kind, version) in UPCASTS:
            tree, version = UPCASTS[record.kind, version](tree), version + 1
        if version != VERSION:
            raise ValueError(f"version {record.version} is newer than this perdure reads ({VERSION})")
        return _READERS[record.kind](tree)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, DecodeError) as exc:
        raise DecodeError(
            f"Event {record.seq} of thread {record.thread_id!r}, branch {record.branch!r} is no {record.kind}"
            f" (hash {record.hash.hex()[:16]}…): {exc}",
            thread_id=record.thread_id,
            branch=record.branch,
            seq=record.seq,
        ) from exc


# --- the kinds ----------------------------------------------------------------------------------------------


def _run_started(event: RunStarted) -> Tree:
    tree = some(base=event.base, passing=event.passing, metadata=to_tree(dict(event.metadata), "$<metadata>"))
    if event.input is not None:
        tree["input"] = dump_writes(event.input)
    if event.durability != "sync":
        tree["durability"] = event.durability
    if event.recursion_limit:
        tree["recursion_limit"] = event.recursion_limit
    return {"graph": event.graph, "fingerprint": event.fingerprint, **tree}


def _read_run_started(tree: Tree) -> RunStarted:
    return RunStarted(
        graph=tree["graph"],
        fingerprint=tree["fingerprint"],
        input=None if tree.get("input") is None else load_writes(tree["input"]),
        base=tree.get("base"),
        durability=tree.get("durability", "sync"),
        passing=tuple(tree.get("passing", ())),
        recursion_limit=tree.get("recursion_limit", 0),
        metadata=from_tree(tree.get("metadata", {})),
    )


def _subgraph_started(event: SubgraphStarted) -> Tree:
    return {"graph": event.graph, "fingerprint": event.fingerprint, "input": dump_writes(event.input)}


def _read_subgraph_started(tree: Tree) -> SubgraphStarted:
    return SubgraphStarted(tree["graph"], tree["fingerprint"], load_writes(tree["input"]))


def _task_succeeded(event: TaskSucceeded) -> Tree:
    tree: Tree = {"node": event.node, "writes": dump_writes(event.writes)}
    if event.routes:
        tree["routes"] = [dump_route(route) for route in event.routes]
    if event.attempt != 1:
        tree["attempt"] = event.attempt
    tree["us"] = event.duration_us
    return tree


def _read_task_succeeded(tree: Tree) -> TaskSucceeded:
    return TaskSucceeded(
        text(tree["node"]),
        load_writes(tree["writes"]),
        load_routes(tree.get("routes", [])),
        tree.get("attempt", 1),
        tree.get("us", 0),
    )


def _task_failed(event: TaskFailed) -> Tree:
    tree: Tree = {
        "node": event.node,
        "error": event.error,
        "message": to_tree(event.message),
        "traceback": to_tree(event.traceback),
        "attempt": event.attempt,
        "retried": event.retried,
    }
    if event.body is not None:
        tree["body"] = dump_body(event.body)
    return tree


def _read_task_failed(tree: Tree) -> TaskFailed:
    body = tree.get("body")
    return TaskFailed(
        text(tree["node"]),
        tree["error"],
        from_tree(tree["message"]),
        from_tree(tree["traceback"]),
        tree["attempt"],
        tree["retried"],
        None if body is None else load_body(body),
    )


def _task_interrupted(event: TaskInterrupted) -> Tree:
    questions = [
        {"id": one.id, "value": to_tree(one.value, "$<interrupt>"), **some(schema=one.schema and to_tree(one.schema))}
        for one in event.questions
    ]
    body = None if event.body is None else dump_body(event.body)
    paused = event.paused and to_tree(event.paused)
    return {"node": event.node, "questions": questions, **some(paused=paused, body=body)}


def _read_task_interrupted(tree: Tree) -> TaskInterrupted:
    questions = tuple(
        Question(text(one["id"]), from_tree(one["value"]), from_tree(one.get("schema"))) for one in tree["questions"]
    )
    body = tree.get("body")
    paused = from_tree(tree.get("paused"))
    return TaskInterrupted(text(tree["node"]), questions, paused, None if body is None else load_body(body))


def _call_recorded(event: CallRecorded) -> Tree:
    return {
        "path": event.path,
        "function": event.function,
        "result": to_tree(event.result, f"$<{event.function}>"),
        **some(error=event.error, message=event.message and to_tree(event.message)),
    }


def _read_call_recorded(tree: Tree) -> CallRecorded:
    result, message = from_tree(tree["result"]), from_tree(tree.get("message"))
    return CallRecorded(tuple(tree["path"]), tree["function"], result, tree.get("error"), message)


def _interrupt_resolved(event: InterruptResolved) -> Tree:
    return {
        "id": event.id,
        "answer": to_tree(event.answer, "$<answer>"),
        **some(reason=event.reason and to_tree(event.reason)),
    }


def _read_interrupt_resolved(tree: Tree) -> InterruptResolved:
    return InterruptResolved(text(tree["id"]), from_tree(tree["answer"]), from_tree(tree.get("reason")))


def _state_updated(event: StateUpdated) -> Tree:
    routes = tuple(dump_route(route) for route in event.routes)
    reason = event.reason and to_tree(event.reason)
    return {"writes": dump_writes(event.writes), **some(as_node=event.as_node, routes=routes, reason=reason)}


def _read_state_updated(tree: Tree) -> StateUpdated:
    writes, routes = load_writes(tree["writes"]), load_routes(tree.get("routes", []))
    return StateUpdated(tree.get("as_node"), writes, routes, from_tree(tree.get("reason")))


def _step_committed(event: StepCommitted) -> Tree:
    tree: Tree = {
        "parent": event.parent,
        "step": event.step,
        "source": event.source,
        "changes": {channel: dump_change(channel, change) for channel, change in event.changes.items()},
        "next": [dump_task(task) for task in event.next],
    }
    if event.ran:
        tree["ran"] = event.ran
    if event.kept:
        tree["kept"] = event.kept
    return tree


def _read_step_committed(tree: Tree) -> StepCommitted:
    return StepCommitted(
        tree["parent"],
        tree["step"],
        tree["source"],
        {channel: load_change(change) for channel, change in tree["changes"].items()},
        tuple([load_task(task) for task in tree["next"]]),
        tuple(tree.get("ran", ())),
        tuple(tree.get("kept", ())),
    )


def _forked(event: Forked) -> Tree:
    return {
        "parent_branch": event.parent_branch,
        "fork_seq": event.fork_seq,
        "checkpoint": event.checkpoint,
        **some(name=event.name, reason=event.reason and to_tree(event.reason)),
    }


def _read_forked(tree: Tree) -> Forked:
    reason = from_tree(tree.get("reason"))
    return Forked(text(tree["parent_branch"]), int(tree["fork_seq"]), tree["checkpoint"], tree.get("name"), reason)


def _run_finished(event: RunFinished) -> Tree:
    message = event.message and to_tree(event.message)
    return {
        "status": event.status,
        **some(error=event.error, message=message, stopped_at=event.stopped_at, recovered_by=event.recovered_by),
    }


def _read_run_finished(tree: Tree) -> RunFinished:
    return RunFinished(
        tree["status"],
        tree.get("error"),
        from_tree(tree.get("message")),
        tuple(tree.get("stopped_at", ())),
        tree.get("recovered_by"),
    )


def _history_pruned(event: HistoryPruned) -> Tree:
    tree = {"upto": event.upto, "prefix_hash": event.prefix_hash, "removed": event.removed}
    return {**tree, **some(reason=event.reason and to_tree(event.reason))}


def _read_history_pruned(tree: Tree) -> HistoryPruned:
    return HistoryPruned(tree["upto"], tree["prefix_hash"], tree["removed"], from_tree(tree.get("reason")))


def _thread_deleted(event: ThreadDeleted) -> Tree:
    return {"removed": event.removed, **some(reason=event.reason and to_tree(event.reason))}


def _read_thread_deleted(tree: Tree) -> ThreadDeleted:
    return ThreadDeleted(tree["removed"], from_tree(tree.get("reason")))


_WRITERS: Final[Mapping[type, Callable[[Any], Tree]]] = {
    RunStarted: _run_started,
    SubgraphStarted: _subgraph_started,
    TaskSucceeded: _task_succeeded,
    TaskFailed: _task_failed,
    TaskInterrupted: _task_interrupted,
    CallRecorded: _call_recorded,
    InterruptResolved: _interrupt_resolved,
    StateUpdated: _state_updated,
    StepCommitted: _step_committed,
    Forked: _forked,
    RunFinished: _run_finished,
    HistoryPruned: _history_pruned,
    ThreadDeleted: _thread_deleted,
}

_READERS: Final[Mapping[str, Callable[[Tree], Event]]] = {
    "RunStarted": _read_run_started,
    "SubgraphStarted": _read_subgraph_started,
    "TaskSucceeded": _read_task_succeeded,
    "TaskFailed": _read_task_failed,
    "TaskInterrupted": _read_task_interrupted,
    "CallRecorded": _read_call_recorded,
    "InterruptResolved": _read_interrupt_resolved,
    "StateUpdated": _read_state_updated,
    "StepCommitted": _read_step_committed,
    "Forked": _read_forked,
    "RunFinished": _read_run_finished,
    "HistoryPruned": _read_history_pruned,
    "ThreadDeleted": _read_thread_deleted,
}
