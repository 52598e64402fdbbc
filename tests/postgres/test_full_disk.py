"""A full disk under the server: what does not fit is refused whole, and written when there is room again."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from perdure.errors import StoreUnavailableError
from perdure.events import Record
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver, Snapshot
from perdure.testing import BLANK, FACES, grow, write_records
from perdure.testing.conformance.suite import unplaced
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster
from tests.postgres.server import Server
from tests.postgres.unprivileged import hand_over

SIZE = 14
"""Megabytes of the small disk: an empty database takes half of it."""
LIKE = BLANK._replace(payload=b'{"ballast":"' + os.urandom(150_000).hex().encode() + b'"}')
"""Nothing that could be stored in less space."""


class Disk(NamedTuple):
    """A database that does not fit any more, at some point, and what makes room."""

    url: str
    fill: Callable[[], None]
    make_room: Callable[[], None]


def may_mount() -> bool:
    """Tell whether this process may mount file systems: root may, unless it is in a container that forbids it."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return any(line.startswith("CapEff:") and int(line.split()[1], 16) >> 21 & 1 for line in lines)


KINDS = ["said to be full", *(["small"] if may_mount() else [])]
"""A server that says so can be had everywhere, a disk that is really full where a small one may be mounted."""


@contextmanager
def said_to_be_full(cluster: Cluster) -> Iterator[Disk]:
    """A database in which writing events fails as it does on a full disk."""
    with cluster.database() as url:

        def fill() -> None:
            with cluster.admin(url) as admin:
                admin.execute(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE"
                    " 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
                )
                for table in ("events", "snapshots"):
                    admin.execute(
                        f"CREATE TRIGGER full_disk BEFORE INSERT ON perdure.{table}"
                        f" FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
                    )

        def make_room() -> None:
            with cluster.admin(url) as admin:
                admin.execute("DROP FUNCTION full_disk CASCADE")

        yield Disk(url, fill, make_room)


@contextmanager
def small(server: Server) -> Iterator[Disk]:
    """A database in a tablespace on a file system that is as small as can be."""
    place = server.home / "small"
    place.mkdir()
    mount(place, f"size={SIZE}m")
    try:
        hand_over(place)
        with server.admin() as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
            admin.execute("CREATE DATABASE small OWNER app TABLESPACE small STRATEGY file_copy")
        yield Disk(server.url_of("small"), lambda: None, lambda: mount(place, f"remount,size={SIZE * 8}m"))
    finally:
        server.stop("immediate")
        subprocess.run(["umount", str(place)], check=True)


def mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    if request.param == "small":
        with small(request.getfixturevalue("own_postgres")) as disk:
            yield disk
    else:
        with said_to_be_full(request.getfixturevalue("postgres")) as disk:
            yield disk


@pytest.mark.parametrize("face", FACES)
def test_what_does_not_fit_is_refused_whole(disk: Disk, face: str) -> None:
    """One clear error for an append and a snapshot; what was there can be read; with room the same append succeeds."""
    with PostgresSaver(disk.url) as plain:
        saver = FACES[face](plain)
        written = grow(saver, "t", 2)
        disk.fill()
        refused, error = append_until_refused(saver, written)
        assert "disk is full" in str(error)
        assert isinstance(error.__cause__, psycopg.errors.DiskFull)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == written
        with pytest.raises(StoreUnavailableError, match="disk is full"):
            saver.put_snapshot("t", Snapshot(MAIN_BRANCH, 1, bytes(32), os.urandom(2_000_000)))
        disk.make_room()
        saver.append("t", MAIN_BRANCH, expected_seq=len(written), records=refused)
        assert unplaced(saver.read("t", MAIN_BRANCH)) == written + refused
        assert len({record.position for record in saver.tail()}) == len(written + refused)


def append_until_refused(saver: Saver, written: list[Record]) -> tuple[list[Record], StoreUnavailableError]:
    """Append batches of records, adding to those that were written; return those that were refused, and how."""
    for _ in range(100):
        more = write_records("t", 3, after=written[-1], like=LIKE)
        try:
            saver.append("t", MAIN_BRANCH, expected_seq=len(written), records=more)
        except StoreUnavailableError as error:
            return more, error
        written += more
    raise AssertionError("the disk is too large")


def test_of_appends_at_once_each_is_whole_or_refused(disk: Disk) -> None:
    """What waits together on an event loop and does not fit is refused; all of it succeeds when there is room."""
    batches: dict[str, list[Record]] = {}

    errors: list[str] = []

    async def append(saver: PostgresSaver, name: str) -> bool:
        try:
            await saver.aappend(name, MAIN_BRANCH, expected_seq=1, records=batches[name][1:])
        except StoreUnavailableError as error:
            errors.append(str(error))
            return False
        return True

    with PostgresSaver(disk.url) as saver:
        for name in (f"t{number:02}" for number in range(30)):
            records = grow(saver, name)
            batches[name] = [*records, *write_records(name, 2, after=records[-1], like=LIKE)]
        disk.fill()

        async def append_all() -> list[bool]:
            return await asyncio.gather(*(append(saver, name) for name in batches))

        made = asyncio.run(append_all())
        assert len(errors) == made.count(False) > 0
        assert all("disk is full" in error for error in errors)
        found = [len(saver.read(name, MAIN_BRANCH)) for name in batches]
        assert found == [3 if one else 1 for one in made]
        disk.make_room()
        assert asyncio.run(append_all()) == [True] * len(batches)
        assert {name: unplaced(saver.read(name, MAIN_BRANCH)) for name in batches} == batches
