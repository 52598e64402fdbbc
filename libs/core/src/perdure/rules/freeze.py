"""A `ThreadState` as plain data and back: what a snapshot holds.

The form is private to this file and carries a version; a snapshot that does not fit is dropped and folded anew.
"""

import zlib
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from perdure.events import PlannedTask, Question, Ref, Route, TaskFailed
from perdure.rules.project import GraphState, TaskState, ThreadState

Plain: TypeAlias = Any

FORM: Final = 1
SEAL: Final = 16
"""Bytes of digest before a packed snapshot: what was changed is not believed."""
LATEST: Final = 253_402_300_800_000_000
"""Microseconds since 1970 at the end of the year 9999: a later time cannot be shown."""
LARGEST: Final = 1 << 30
"""Bytes of a snapshot at most."""


def freeze(state: ThreadState) -> Plain:
    """Return the state as data that the codec can hold."""
    return {
        "form": FORM,
        "graphs": {namespace: _graph(graph) for namespace, graph in state.graphs.items()},
        "run": [state.run_id, state.status, list(state.stopped_at), list(state.passing), dict(state.metadata)],
        "seq": state.seq,
        "hash": state.hash,
    }


def thaw(plain: Plain) -> ThreadState:
    """Return the state that `freeze` was given.

    Raises ValueError, KeyError, TypeError or IndexError when `plain` is of another form.
    """
    if plain["form"] != FORM:
        raise ValueError(f"snapshot of form {plain['form']}")
    run_id, status, stopped_at, passing, metadata = plain["run"]
    _require(str, run_id or "", status or "", *stopped_at, *passing, *plain["graphs"])
    _require(dict, plain["graphs"], metadata)
    return ThreadState(
        graphs={namespace: _thaw_graph(graph) for namespace, graph in plain["graphs"].items()},
        run_id=run_id,
        status=status,
        stopped_at=tuple(stopped_at),
        passing=tuple(passing),
        seq=plain["seq"],
        hash=plain["hash"],
        metadata=metadata,
    )


def pack(payload: bytes) -> bytes:
    """Compress a frozen state and seal it: nobody reads this cache but this file, and text shrinks to a third."""
    packed = zlib.compress(payload, 1)
    return blake2b(packed, digest_size=SEAL).digest() + packed


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given. Raises ValueError for anything else, and for more than LARGEST bytes."""
    seal, body = packed[:SEAL], packed[SEAL:]
    if blake2b(body, digest_size=SEAL).digest() != seal:
        raise ValueError("a snapshot that was changed")
    inflate = zlib.decompressobj()
    try:
        payload = inflate.decompress(body, LARGEST)
    except zlib.error as exc:
        raise ValueError("no packed snapshot") from exc
    if not inflate.eof:
        raise ValueError("a snapshot that is cut short, or too large")
    return payload


def _graph(graph: GraphState) -> Plain:
    return {
        "values": dict(graph.values),
        "tasks": [_task(task) for task in graph.tasks.values()],
        "at": [graph.checkpoint, graph.parent, graph.step, graph.source, graph.at, graph.seq],
        "ran": [list(graph.ran), list(graph.last)],
        "caller": graph.caller,
        "accepted": [list(one) for one in graph.accepted],
        "updates": {
            id: [[list(one) for one in writes], _routes(routes)] for id, (writes, routes) in graph.updates.items()
        },
    }


def _thaw_graph(plain: Plain) -> GraphState:
    checkpoint, parent, step, source, at, seq = plain["at"]
    _require(str, checkpoint, parent or "")
    _require(int, step, at, seq)
    _require(dict, plain["values"], plain["updates"])
    _require(str, source, plain["caller"], *plain["values"], *plain["ran"][0], *plain["ran"][1])
    if not 0 <= at < LATEST:
        raise ValueError(f"a checkpoint recorded at {at}")
    tasks = [_thaw_task(task) for task in plain["tasks"]]
    return GraphState(
        values=plain["values"],
        tasks={task.plan.id: task for task in tasks},
        checkpoint=checkpoint,
        parent=parent,
        step=step,
        source=source,
        at=at,
        seq=seq,
        ran=tuple(plain["ran"][0]),
        last=tuple(plain["ran"][1]),
        caller=plain["caller"],
        accepted=_thaw_writes(plain["accepted"]),
        updates={id: (_thaw_writes(one[0]), _thaw_routes(one[1])) for id, one in plain["updates"].items()},
    )


def _task(task: TaskState) -> Plain:
    plan, failure = task.plan, task.failure
    arg = None if plan.arg is None else [plan.arg.task_id, plan.arg.index]
    return {
        "plan": [plan.id, plan.node, plan.kind, plan.index, list(plan.triggers), arg],
        "arg": task.arg,
        "writes": None if task.writes is None else [list(one) for one in task.writes],
        "routes": _routes(task.routes),
        "body": None if task.body is None else [[list(one) for one in task.body[0]], _routes(task.body[1])],
        "attempts": task.attempts,
        "failure": None
        if failure is None
        else [failure.node, failure.error, failure.message, failure.traceback, failure.attempt, failure.retried],
        "questions": [[one.id, one.value, one.schema] for one in task.questions],
        "answers": dict(task.answers),
        "paused": task.paused,
        "node_asked": task.node_asked,
        "inside": {id: [one.id, one.value, one.schema] for id, one in task.inside.items()},
    }


def _thaw_task(plain: Plain) -> TaskState:
    id, node, kind, index, triggers, arg = plain["plan"]
    _require(str, id, node, *(question[0] for question in plain["questions"]), *plain["inside"], *plain["answers"])
    _require(str, kind, plain["paused"] or "", *triggers, *(one[0] for one in plain["inside"].values()))
    _require(int, index, plain["attempts"], plain["node_asked"])
    _require(dict, plain["answers"], plain["inside"])
    body, failure = plain["body"], plain["failure"]
    return TaskState(
        plan=PlannedTask(id, node, kind, index, tuple(triggers), None if arg is None else Ref(*arg)),
        arg=plain["arg"],
        writes=None if plain["writes"] is None else _thaw_writes(plain["writes"]),
        routes=_thaw_routes(plain["routes"]),
        body=None if body is None else (_thaw_writes(body[0]), _thaw_routes(body[1])),
        attempts=plain["attempts"],
        failure=None if failure is None else _thaw_failure(*failure),
        questions=[Question(*one) for one in plain["questions"]],
        answers=plain["answers"],
        paused=plain["paused"],
        node_asked=plain["node_asked"],
        inside={id: Question(*one) for id, one in plain["inside"].items()},
    )


def _require(kind: type, *found: Any) -> None:
    for one in found:
        if not isinstance(one, kind):
            raise TypeError(f"{kind.__name__} expected, found {type(one).__name__}")


def _thaw_writes(plain: Plain) -> list[tuple[str, Any]]:
    _require(list, plain, *plain)
    _require(str, *(channel for channel, _ in plain))
    return [(channel, value) for channel, value in plain]


def _thaw_failure(*found: Any) -> TaskFailed:
    _require(str, *found[:4])
    return TaskFailed(*found)


def _routes(routes: tuple[Route, ...]) -> Plain:
    return [[one.node, one.send, one.arg, one.timeout] for one in routes]


def _thaw_routes(plain: Plain) -> tuple[Route, ...]:
    _require(str, *(one[0] for one in plain))
    return tuple(Route(*one) for one in plain)
