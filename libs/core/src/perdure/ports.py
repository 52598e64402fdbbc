"""What a saver must do: store logs and snapshots. It knows no rules.

`Saver` is the port: a few primitives, each with a sync and an async name (`append`/`aappend`), keyword-only after the
subject. What can be derived from the primitives is derived once, in `perdure.lineage` and above, for all savers.

Rules every saver keeps (the conformance suite in `perdure.testing` checks each):

- `append` is atomic: all records or none, and only if the branch's head is `expected_seq` and the first record's hash
  chains to it. A retried append whose records already stand with the same hashes is a success. A stale one raises
  `StaleWriterError`.
- Records come back exactly as they went in (plus `position`).
- `position` grows with each record over the whole saver, in commit order, without a gap that could later be filled.
- After `delete_thread` nobody can append to that thread: `ThreadDeletedError`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, NamedTuple, Self, TypeAlias

from perdure.events import Record

Current: TypeAlias = Literal["any", "stays", "becomes"]
"""What an append says of its branch: nothing · it is the thread's current one (else the writer is stale) · it is from
now on."""


class Branch(NamedTuple):
    """A line of history: `main` is a thread's first, a fork names the event of its parent that it goes on from."""

    id: str
    parent: str | None = None
    fork_seq: int = 0
    name: str | None = None
    head_seq: int = 0
    """The last event's seq (for a fork without events of its own: `fork_seq`)."""
    position: int = 0
    """The last event's position."""


class Head(NamedTuple):
    """Where a branch stands."""

    branch: str
    seq: int
    hash: bytes


class Snapshot(NamedTuple):
    """A disposable cache of the folded state after event `seq`, whose hash is `hash`."""

    branch: str
    seq: int
    hash: bytes
    payload: bytes


class ThreadInfo(NamedTuple):
    """One line of the list of threads."""

    thread_id: str
    branch: str
    """The current branch: the one that last started a run."""
    created_at: int
    """Microseconds since 1970 UTC: `recorded_at` of the first event."""
    updated_at: int
    """`recorded_at` of the newest event of the current branch."""
    position: int
    deleted: bool = False


class Saver(ABC):
    """Stores the logs and snapshots of one tenant's threads.

    Usable directly and as a sync or async context manager; safe under many threads, tasks and processes.
    """

    tenant: str = ""

    # -- the log -------------------------------------------------------------------------------------------------

    @abstractmethod
    def append(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
    ) -> int:
        """Append records to a branch if its head is `expected_seq`; return the position of the last one.

        Args:
            thread_id: The thread; its first append (`expected_seq=0` on `main`) creates it.
            branch: The branch the records belong to.
            expected_seq: The seq of the last event the writer knows; `records[0].seq == expected_seq + 1`.
            records: One or more, with consecutive seqs.
            opens: The fork that this append creates; then `expected_seq == opens.fork_seq`.
            current: What is to be true of the thread's current branch (see `Current`).

        Raises:
            StaleWriterError: Another writer appended first, or made another branch current, or the records do not chain
                to the head; nothing was written.
            ThreadDeletedError: The thread has a tombstone.
            UsageError: No records, records out of sequence, or a branch that does not exist.
        """

    @abstractmethod
    def read(
        self,
        thread_id: str,
        branch: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> list[Record]:
        """Return the branch's own records (not its parent's) with `after < seq <= upto`, at most `limit`."""

    @abstractmethod
    def head(self, thread_id: str, branch: str | None = None) -> Head | None:
        """Return where a branch (None: the current one) stands, or None when there is no such thread or branch.

        Raises ThreadDeletedError when the thread has a tombstone.
        """

    @abstractmethod
    def branches(self, thread_id: str) -> list[Branch]:
        """Return the thread's branches, parents before children ([] for an unknown or deleted thread)."""

    @abstractmethod
    def tail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        """Return records of all threads with `position > after`, in order of position, at most `limit`.

        A record may come later than its append returns (where older transactions are still open), but never behind one
        that was handed out.
        """

    # -- snapshots -----------------------------------------------------------------------------------------------

    @abstractmethod
    def put_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        """Store a snapshot (replacing one at the same place); ignored when the thread or the branch is gone."""

    @abstractmethod
    def get_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        """Return the branch's newest snapshot with `seq <= upto`."""

    @abstractmethod
    def drop_snapshots(self, thread_id: str) -> int:
        """Drop all snapshots of a thread and return how many. Nothing but speed is lost."""

    # -- threads -------------------------------------------------------------------------------------------------

    @abstractmethod
    def list_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        """Return living threads in order of their ids, those after `after`, at most `limit`."""

    @abstractmethod
    def delete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        """Remove all events of a thread, leave a tombstone (`ThreadDeleted`) and return how many were removed.

        Unknown and already deleted threads: 0, and nothing happens.
        """

    # -- life ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def setup(self) -> None:
        """Create or migrate the schema. Called by itself on first use unless the saver was told not to."""

    @abstractmethod
    def close(self) -> None:
        """Release what this saver opened. May be called twice; any other use afterwards raises ClosedError."""

    # -- the same, async -----------------------------------------------------------------------------------------

    @abstractmethod
    async def aappend(
        self,
        thread_id: str,
        branch: str,
        *,
        expected_seq: int,
        records: Sequence[Record],
        opens: Branch | None = None,
        current: Current = "any",
    ) -> int:
        """`append`, async."""

    @abstractmethod
    async def aread(
        self,
        thread_id: str,
        branch: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        kinds: Sequence[str] | None = None,
    ) -> list[Record]:
        """`read`, async."""

    @abstractmethod
    async def ahead(self, thread_id: str, branch: str | None = None) -> Head | None:
        """`head`, async."""

    @abstractmethod
    async def abranches(self, thread_id: str) -> list[Branch]:
        """`branches`, async."""

    @abstractmethod
    async def atail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        """`tail`, async."""

    @abstractmethod
    async def aput_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        """`put_snapshot`, async."""

    @abstractmethod
    async def aget_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        """`get_snapshot`, async."""

    @abstractmethod
    async def adrop_snapshots(self, thread_id: str) -> int:
        """`drop_snapshots`, async."""

    @abstractmethod
    async def alist_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        """`list_threads`, async."""

    @abstractmethod
    async def adelete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        """`delete_thread`, async."""

    @abstractmethod
    async def asetup(self) -> None:
        """`setup`, async."""

    @abstractmethod
    async def aclose(self) -> None:
        """`close`, async."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
