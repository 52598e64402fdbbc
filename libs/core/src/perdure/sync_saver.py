"""The async face of savers whose storage is reached by plain calls: each async method runs its sync namesake.

Such a saver writes the sync methods and says in `_elsewhere` how a call gets off the event loop. A saver whose driver
is async by nature has no use for this.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from perdure.events import Record
from perdure.ports import Branch, Current, Head, Saver, Snapshot, ThreadInfo

Result = TypeVar("Result")


class SyncSaver(Saver):
    """A saver that is sync inside."""

    @abstractmethod
    async def _elsewhere(self, call: Callable[[], Result], *, writes: bool = False) -> Result:
        """Make a call to one of this saver's sync methods without keeping the event loop waiting."""

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
        call = partial(
            self.append, thread_id, branch, expected_seq=expected_seq, records=records, opens=opens, current=current
        )
        return await self._elsewhere(call, writes=True)

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
        window = partial(self.read, thread_id, branch, after=after, upto=upto)
        return await self._elsewhere(partial(window, limit=limit, newest_first=newest_first, kinds=kinds))

    async def ahead(self, thread_id: str, branch: str | None = None) -> Head | None:
        return await self._elsewhere(partial(self.head, thread_id, branch))

    async def abranches(self, thread_id: str) -> list[Branch]:
        return await self._elsewhere(partial(self.branches, thread_id))

    async def atail(self, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return await self._elsewhere(partial(self.tail, after=after, limit=limit))

    async def aput_snapshot(self, thread_id: str, snapshot: Snapshot) -> None:
        await self._elsewhere(partial(self.put_snapshot, thread_id, snapshot), writes=True)

    async def aget_snapshot(self, thread_id: str, branch: str, *, upto: int) -> Snapshot | None:
        return await self._elsewhere(partial(self.get_snapshot, thread_id, branch, upto=upto))

    async def adrop_snapshots(self, thread_id: str) -> int:
        return await self._elsewhere(partial(self.drop_snapshots, thread_id), writes=True)

    async def alist_threads(self, *, after: str = "", limit: int = 100) -> list[ThreadInfo]:
        return await self._elsewhere(partial(self.list_threads, after=after, limit=limit))

    async def adelete_thread(self, thread_id: str, *, actor: str = "", reason: str | None = None) -> int:
        return await self._elsewhere(partial(self.delete_thread, thread_id, actor=actor, reason=reason), writes=True)

    async def asetup(self) -> None:
        await self._elsewhere(self.setup)

    async def aclose(self) -> None:
        """`close`, async: what was asked before is still served."""
        self.close()
