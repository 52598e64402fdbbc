"""What can be read from outside: bytes of a database, memory of this process, and how busy the machine is."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.libraries.face import SaverKind
from benchmarks.workloads.requests import Figures
from benchmarks.workloads.workload import middle

FLUSHES: Final = 50
LOOPS: Final = 300_000
WAL: Final = ("wal",)
RELATIONS: Final = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'"""
"""The size of all tables that are not the server's own, with their indexes and what is stored beside them. A cell's
database is its own, so they are the library's.
"""


def stored(saver: SaverKind, where: str) -> int:
    """Return the bytes of a database; 0 where there is none."""
    match saver:
        case "sqlite":
            return stored_in_file(Path(where))
        case "postgres":
            return stored_in_server(where)
        case _:
            return 0


def stored_in_file(path: Path) -> int:
    """Return the bytes of a SQLite database's pages, those in its WAL included."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == WAL
        [(pages,)], [(size,)] = (connection.execute(f"PRAGMA {name}") for name in ("page_count", "page_size"))
        return int(pages * size)


def stored_in_server(url: str) -> int:
    """Return the bytes of the tables in a PostgreSQL database."""
    import psycopg  # noqa: PLC0415  (a cell without PostgreSQL shall not have its driver in memory)

    with psycopg.connect(url) as connection:
        [(size,)] = connection.execute(RELATIONS).fetchall()
        return int(size)


def peak_memory() -> int:
    """Return the process's peak resident memory in bytes.

    Not `getrusage`: its figure survives `exec`, so a child would report its parent's peak.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def noise(path: Path) -> Figures:
    """Return what the machine did at that moment: a flush to this disk, and a loop of additions, in seconds."""
    flushes = []
    with path.open("wb") as file:
        for _ in range(FLUSHES):
            file.write(bytes(4096))
            file.flush()
            began = perf_counter()
            os.fdatasync(file.fileno())
            flushes.append(perf_counter() - began)
    began, total = perf_counter(), 0
    for number in range(LOOPS):
        total += number
    return {"flush": middle(flushes), "loop": perf_counter() - began}
