"""What every saver checks before it appends, and the tombstone that it leaves, as pure functions.

Here: refusals that need no database. Not here: how a saver finds its head, and anything about what events mean.
"""

from collections.abc import Sequence
from typing import NoReturn

import orjson

from perdure.chain import link
from perdure.errors import StaleWriterError, ThreadDeletedError, UsageError
from perdure.events import Kind, Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Branch

LONGEST_NAME = 512
"""Characters a thread id, branch id or tenant may have."""


def check_name(name: str, what: str = "thread id") -> None:
    """Refuse a thread id, branch id or tenant that not every database could keep exactly (UsageError)."""
    complaint = _find_fault(name)
    if complaint:
        raise UsageError(f"The {what} {complaint}; clean the id first.")


def _find_fault(name: object) -> str | None:
    if not isinstance(name, str):
        return f"must be a str, but it is {name!r} ({type(name).__name__})"
    if not 0 < len(name) <= LONGEST_NAME:
        return f"must have 1 to {LONGEST_NAME} characters, but it has {len(name)}"
    if "\0" in name:
        return f"{name!a} contains a NUL character, which databases refuse"
    if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        return f"{name!a} contains a lone surrogate, which is no text"
    return None


def check_tenant(tenant: str) -> str:
    """Return the tenant if it is "" (none) or a name that databases keep exactly; else raise UsageError."""
    if tenant != "":
        check_name(tenant, "tenant")
    return tenant


def check_append(
    thread_id: str, branch: str, expected_seq: int, records: Sequence[Record], opens: Branch | None
) -> None:
    """Refuse (UsageError) an append that no saver can serve, whatever it holds."""
    check_name(thread_id)
    if not records:
        raise UsageError("An append needs at least one record.")
    if expected_seq < 0:
        raise UsageError(f"expected_seq is {expected_seq}; it counts events and starts at 0.")
    seq = expected_seq
    for record in records:
        seq += 1
        if record[2] != seq or record[1] != branch or record[0] != thread_id or len(record[11]) != 32:
            _refuse_record(thread_id, branch, seq, record)
        texts = record[3] + record[5] + record[6] + record[7] + record[8] + record[10]
        if not texts.isascii():
            _require_text(texts, record)
    if opens is not None:
        check_fork(branch, expected_seq, opens)


def _refuse_record(thread_id: str, branch: str, seq: int, record: Record) -> NoReturn:
    found = (record.thread_id, record.branch, record.seq)
    if found != (thread_id, branch, seq):
        raise UsageError(f"A record of {found} cannot stand at {(thread_id, branch, seq)} (thread, branch, seq).")
    raise UsageError(f"The record {found} carries a hash of {len(record.hash)} bytes; 32 are needed.")


def _require_text(texts: str, record: Record) -> None:
    try:
        texts.encode()
    except UnicodeEncodeError as exc:
        raise UsageError(f"Event {record.seq} of thread {record.thread_id!r} holds what is no text: {exc}.") from exc


def check_fork(branch: str, expected_seq: int, opens: Branch) -> None:
    """Refuse (UsageError) a fork whose description contradicts the append that opens it."""
    check_name(branch, "branch id")
    if opens.id != branch or opens.parent is None or opens.parent == branch:
        raise UsageError(f"An append to branch {branch!r} cannot open {opens!r}: a fork has the id and a parent.")
    if opens.fork_seq != expected_seq or expected_seq < 0:
        raise UsageError(f"A fork at event {opens.fork_seq} expects just that seq, not {expected_seq}.")


def check_parent(opens: Branch, parent_head: int | None) -> None:
    """Refuse (UsageError) a fork of a branch that is not there (`parent_head` None) or ends before the fork point."""
    if parent_head is None:
        raise UsageError(f"Branch {opens.id!r} cannot fork from {opens.parent!r}: the thread has no such branch.")
    if parent_head < opens.fork_seq:
        raise UsageError(
            f"Branch {opens.id!r} cannot fork from event {opens.fork_seq} of {opens.parent!r}, which ends at"
            f" {parent_head}."
        )


def refuse_missing_branch(thread_id: str, branch: str, expected_seq: int) -> NoReturn:
    """Say why an append to something that does not exist fails: a stale view of `main`, or a branch never opened."""
    if branch == MAIN_BRANCH:
        raise StaleWriterError(thread_id, branch, expected_seq=expected_seq, head_seq=0)
    raise UsageError(f"Thread {thread_id!r} has no branch {branch!r}; the append that creates a fork passes opens=.")


def refuse_deleted(thread_id: str) -> NoReturn:
    """Raise ThreadDeletedError for this thread."""
    raise ThreadDeletedError(f"Thread {thread_id!r} was deleted; its id takes no more events. Use another id.")


def refuse_moved(thread_id: str, branch: str, expected_seq: int, current: str) -> NoReturn:
    """Raise StaleWriterError for a writer that takes `branch` for the current one, which is `current`."""
    raise StaleWriterError(thread_id, branch, expected_seq=expected_seq, head_seq=expected_seq, current=current)


def require_chain(previous: bytes, records: Sequence[Record], *, expected_seq: int) -> None:
    """Raise StaleWriterError unless the first record's hash follows from the head's (UsageError if it has none).

    A writer that lost an append and goes on must not get in again because the seqs happen to fit.
    """
    first = records[0]
    try:
        fits = link(previous, first) == first.hash
    except TypeError as exc:
        raise UsageError(f"Event {first.seq} of thread {first.thread_id!r} holds what is no text: {exc}.") from exc
    if not fits:
        raise StaleWriterError(first.thread_id, first.branch, expected_seq=expected_seq, head_seq=expected_seq)


def require_repeat(records: Sequence[Record], standing: Sequence[bytes], *, expected_seq: int, head_seq: int) -> None:
    """Return if the append happened already, raise StaleWriterError if not.

    `standing` holds the hashes found where `records` would stand: a retry meets exactly its own.
    """
    if len(standing) == len(records) and all(r.hash == h for r, h in zip(records, standing, strict=True)):
        return
    first = records[0]
    if head_seq == expected_seq:
        raise UsageError(f"Branch {first.branch!r} exists already; an append that goes on from its head opens nothing.")
    raise StaleWriterError(first.thread_id, first.branch, expected_seq=expected_seq, head_seq=head_seq)


def tombstone(newest: Record, *, removed: int, reason: str | None, actor: str, at: int) -> Record:
    """Return the `ThreadDeleted` record that follows `newest`, the last record of the thread's main branch.

    `removed` counts events, `at` is in microseconds since 1970 UTC. Raises UsageError for text that is no text.
    """
    try:
        payload = orjson.dumps({"removed": removed, "reason": reason})
        place = newest.thread_id, newest.branch, newest.seq + 1
        bare = Record(*place, Kind.THREAD_DELETED.value, 1, "", "", "", "", at, actor, b"", payload)
        return bare._replace(hash=link(newest.hash, bare))
    except TypeError as exc:
        raise UsageError(f"Actor {actor!a} or reason {reason!a} cannot be stored as text; clean it first.") from exc
