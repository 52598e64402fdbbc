"""Every error that perdure raises. The tree answers: whose fault, and may I retry?

    PerdureError
    ├── GraphDefinitionError (ValueError)     the graph is wrong: mend the code, nothing ran
    │   └── MissingDriverError (ImportError)  a package is not installed
    ├── UsageError (ValueError)               the call is wrong: nothing was written, call again corrected
    │   ├── MissingThreadError                no thread id where one is needed
    │   ├── EmptyInputError                   nothing to go on from
    │   ├── UnknownCheckpointError            no such checkpoint in this thread
    │   ├── ThreadDeletedError                the thread is gone for good
    │   └── ResumeError (RuntimeError)        the answer fits no open question
    │       ├── NothingPendingError · UnknownInterruptError · AmbiguousResumeError
    ├── TaskError                             a node did what it must not: fix it and invoke(None) to go on
    │   ├── InvalidUpdateError · EncodeError · MutatedStateError · UnknownNodeError
    │   └── GraphRecursionError (RecursionError)
    └── StoreError                            the log's side
        ├── StaleWriterError                  somebody else wrote first: read again, decide again
        ├── CorruptEventError                 stored bytes are not what was written
        │   └── DecodeError
        ├── SchemaVersionError                the database was made by a newer perdure
        ├── StoreUnavailableError             full, read-only, locked, unreachable: mend it, then retry
        └── ClosedError                       the saver was closed

Signals that steer a run (`GraphInterrupt`, `ParentCommand`) derive from `BaseException`, so that a node's
`except Exception` cannot swallow them. An error's docstring is its default message; facts are attributes.
"""

from collections.abc import Sequence
from typing import Any


class PerdureError(Exception):
    """Something in perdure went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


# --- the graph ----------------------------------------------------------------------------------------------


class GraphDefinitionError(PerdureError, ValueError):
    """The graph is not well formed."""


class MissingDriverError(PerdureError, ImportError):
    """A saver's package is not installed."""


# --- the call -----------------------------------------------------------------------------------------------


class UsageError(PerdureError, ValueError):
    """The call cannot be served as it stands; nothing was written."""


class MissingThreadError(UsageError):
    """A graph with a checkpointer needs a thread id: pass config={"thread_id": "…"}."""


class EmptyInputError(UsageError):
    """There is nothing to go on from: pass an input."""


class UnknownCheckpointError(UsageError):
    """The thread has no such checkpoint."""


class ThreadDeletedError(UsageError):
    """The thread was deleted; its id takes no more events. Use another id."""


class ResumeError(UsageError, RuntimeError):
    """The answer fits no open question; nothing was written."""

    def __init__(self, message: str, *, interrupt_ids: Sequence[str] = (), pending_ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids)


class NothingPendingError(ResumeError):
    """The thread waits for no answer."""


class UnknownInterruptError(ResumeError):
    """The answer names a question that is not open (never asked, or answered already)."""


class AmbiguousResumeError(ResumeError):
    """Several questions are open and the answer does not say which it is for."""


# --- the task -----------------------------------------------------------------------------------------------


class TaskError(PerdureError):
    """A node did what it must not; the thread stays resumable."""


class InvalidUpdateError(TaskError, ValueError):
    """A node's return value cannot be applied to the state."""


class UnknownNodeError(InvalidUpdateError):
    """A route names a node that the graph does not have."""


class EncodeError(TaskError, TypeError):
    """A value cannot be stored.

    `path` says where it stands (`$.messages[1].image`), `type_name` what it is.
    """

    def __init__(self, message: str, *, path: str = "$", type_name: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.type_name = type_name


class MutatedStateError(TaskError):
    """State was changed in place and not returned, so the log does not hold the change.

    `path` says where (`$.messages[1].text`).
    """

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class GraphRecursionError(TaskError, RecursionError):
    """The run reached its recursion limit before it was done."""


# --- the store ----------------------------------------------------------------------------------------------


class StoreError(PerdureError):
    """The log cannot be read or written."""


class StaleWriterError(StoreError):
    """Another writer appended first; nothing of this append was written.

    `head_seq` is where the branch stands now, `expected_seq` where this writer believed it to stand; `current` is the
    branch that has become current, when that is what this writer missed.
    """

    def __init__(
        self, thread_id: str, branch: str, *, expected_seq: int, head_seq: int, current: str | None = None
    ) -> None:
        stands = f"Thread {thread_id!r}, branch {branch!r} stands at event {head_seq}, but this writer expected"
        if current is not None:
            stands = f"Thread {thread_id!r} is at branch {current!r} now, but this writer expected {branch!r} at event"
        super().__init__(
            f"{stands} {expected_seq}: another writer was first. Nothing was written; read the thread again and decide"
            " again."
        )
        self.thread_id = thread_id
        self.branch = branch
        self.expected_seq = expected_seq
        self.head_seq = head_seq
        self.current = current

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_stale, (self.thread_id, self.branch, self.expected_seq, self.head_seq, self.current)


def _rebuild_stale(
    thread_id: str, branch: str, expected_seq: int, head_seq: int, current: str | None
) -> StaleWriterError:
    return StaleWriterError(thread_id, branch, expected_seq=expected_seq, head_seq=head_seq, current=current)


class CorruptEventError(StoreError):
    """A stored event is not what was written."""

    def __init__(
        self, message: str, *, thread_id: str = "", branch: str = "", seq: int = 0, found: str = "", expected: str = ""
    ) -> None:
        super().__init__(message)
        self.thread_id = thread_id
        self.branch = branch
        self.seq = seq
        self.found = found
        self.expected = expected


class DecodeError(CorruptEventError):
    """Stored bytes are no value of ours."""


class SchemaVersionError(StoreError):
    """The database was made by a newer perdure: upgrade the package."""


class StoreUnavailableError(StoreError):
    """The database cannot be used now; nothing was written."""


class ClosedError(StoreError):
    """The saver was closed: open a new one."""
