"""Golden logs: what a release has written, and what it folded to. Later releases must fold it to the same.

Each file in `golden/` is one thread: a line that tells its branches, then a line for each event, and after each
checkpoint a line with the state there (`values`: tagged JSON, `next`: the nodes of the open tasks).

`python -m tests.laws.golden RELEASE` records a set anew under the name of a release. A set that is there is never
written again: it is what that release did.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from perdure.chain import GENESIS, link
from perdure.codecs import to_tree
from perdure.events import Record
from perdure.ports import Branch, Saver
from perdure_memory import InMemorySaver
from tests.laws.descriptions import Fan, Graph, Jump, Loop, Node, Sends, Single
from tests.laws.logs import counted, fold
from tests.laws.runs import Played
from tests.laws.scripts import THREAD, Act, Answer, Fork, Turn, Update

FOLDER: Final = Path(__file__).parent / "golden"
ALL: Final = ("trace", "count", "facts", "messages", "longest", "tags")

PROGRAMS: Final[dict[str, tuple[Graph, tuple[Act, ...]]]] = {
    "conversation": (
        Graph(
            (
                Single(Node(ALL, plain="whole")),
                Jump(Node(("trace",), plain="grown", fails=1)),
                Loop(Node(("messages", "facts"), plain="deep", command=True), times=2),
                Single(Node(("count",), plain="shorter", fails=1, retried=True)),
            )
        ),
        (Turn(letters=2), Update(node=1, plain=True), Turn(durability="exit")),
    ),
    "questions": (
        Graph(
            (
                Fan(((Node(ALL, asks=2),), (Node(("facts",)), Node(("tags", "trace"), asks=1))), joined=True),
                Single(Node(inner=Graph((Single(Node(("messages",), plain="whole", asks=1)),)))),
                Sends(Node(("trace", "count"), inner=Graph((Single(Node(("facts",))),)), how="twice"), count=2),
            )
        ),
        (Turn(), Answer("first"), Answer("all"), Answer("all"), Answer("all")),
    ),
    "branches": (
        Graph((Single(Node(ALL, plain="whole", asks=1)), Single(Node(("trace", "longest"), plain="grown")))),
        (Turn(letters=1), Answer(), Fork(at=2), Answer(), Fork(at=1, update=True, node=0), Turn()),
    ),
}


def record(release: str) -> None:
    """Write the programs' logs under the name of a release. Raises FileExistsError where there are such already."""
    for name, (graph, script) in PROGRAMS.items():
        with InMemorySaver() as saver:
            Played(graph, saver, settings=counted(), workers=1).play(script)
            with (FOLDER / f"{release}-{name}.jsonl").open("xb") as file:
                file.writelines(orjson.dumps(line) + b"\n" for line in lines(portable(saver)))


def portable(saver: Saver) -> Saver:
    """Return a saver with the same thread, in whose tracebacks no path of this machine stands."""
    root, copy = f"{Path(__file__).parents[2]}/".encode(), InMemorySaver()
    for branch in saver.branches(THREAD):
        hash = GENESIS
        if branch.parent is not None:
            (before,) = copy.read(THREAD, branch.parent, after=branch.fork_seq - 1, upto=branch.fork_seq)
            hash = before.hash
        for one in saver.read(THREAD, branch.id):
            bare = one._replace(payload=one.payload.replace(root, b""), position=0)
            hash = link(hash, bare)
            opens = branch if branch.parent is not None and one.seq == branch.fork_seq + 1 else None
            records = [bare._replace(hash=hash)]
            copy.append(THREAD, branch.id, expected_seq=one.seq - 1, records=records, opens=opens)
    return copy


def lines(saver: Saver) -> Iterator[dict[str, Any]]:
    """Yield a thread's branches, its events, and the states that they fold to."""
    branches = saver.branches(THREAD)
    yield {"branches": [[one.id, one.parent, one.fork_seq, one.name] for one in branches]}
    for branch in branches:
        for one in saver.read(THREAD, branch.id):
            yield {"event": [*one[:11], one.hash.hex(), one.payload.decode()]}
            if one.checkpoint_id:
                yield {"state": state(saver, one)}


def state(saver: Saver, checkpoint: Record) -> dict[str, Any]:
    """Return the state at a checkpoint as JSON, folded from nothing."""
    graph = fold(saver, checkpoint.branch, checkpoint.seq).graphs[checkpoint.namespace]
    return {
        "checkpoint": checkpoint.checkpoint_id,
        "values": to_tree(graph.values),
        "next": [task.plan.node for task in graph.tasks.values()],
    }


def load(file: Path, saver: Saver) -> list[dict[str, Any]]:
    """Put a golden thread into a saver; return the states that it must fold to."""
    first, *rest = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    opening = {id: Branch(id, parent, seq, name) for id, parent, seq, name in first["branches"] if parent is not None}
    for line in rest:
        if "event" in line:
            *envelope, digest, payload = line["event"]
            one = Record._make((*envelope, bytes.fromhex(digest), payload.encode(), 0))
            opens = opening.pop(one.branch, None)
            saver.append(THREAD, one.branch, expected_seq=one.seq - 1, records=[one], opens=opens)
    return [line["state"] for line in rest if "state" in line]


if __name__ == "__main__":
    record(sys.argv[1])
