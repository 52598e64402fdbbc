"""Creating and migrating the schema: numbered files, each applied and recorded in one transaction of its own.

Several processes may start on one empty file at once: each migration is looked at again once the lock is held.
"""

import sqlite3
from collections.abc import Iterator
from importlib.resources import files

from perdure.errors import SchemaVersionError, StoreError
from perdure.ids import SystemClock
from perdure_sqlite import statements

NEWEST = 1
"""The number of the last migration."""


def require_schema(cursor: sqlite3.Cursor, place: str) -> None:
    """Raise StoreError if the schema is missing or old, SchemaVersionError if it is newer than this package."""
    version = _read_usable_version(cursor, place)
    if version < NEWEST:
        found = f"has schema version {version}, but {NEWEST} is needed" if version else "has no schema of perdure"
        raise StoreError(f"The SQLite database {place} {found}: call saver.setup(), or leave auto_setup on.")


def migrate(cursor: sqlite3.Cursor, place: str) -> None:
    """Bring the schema to `NEWEST`; do nothing, not even write, when it is there already.

    When the database is locked this stops between two migrations, and may be called again.
    """
    version = _read_usable_version(cursor, place)
    if version == NEWEST:
        return
    for number, name, text in migrations():
        if number > version:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                _apply(cursor, number, name, text)
                cursor.execute("COMMIT")
            except BaseException:
                cursor.connection.rollback()
                raise


def _read_usable_version(cursor: sqlite3.Cursor, place: str) -> int:
    encoding = cursor.execute("PRAGMA encoding").fetchone()[0]
    if encoding != "UTF-8":
        # Texts would not come back as the bytes that were written.
        raise StoreError(f"The SQLite database {place} stores text as {encoding}; perdure needs UTF-8: use another.")
    version = _read_version(cursor)
    if version > NEWEST:
        raise SchemaVersionError(
            f"The SQLite database {place} has schema version {version}, this perdure-checkpoint-sqlite knows {NEWEST}:"
            " upgrade the package. Nothing was changed."
        )
    return version


def _read_version(cursor: sqlite3.Cursor) -> int:
    if not cursor.execute(statements.HAS_VERSIONS).fetchall()[0][0]:
        return 0
    version: int = cursor.execute(statements.NEWEST_VERSION).fetchall()[0][0]
    return version


def _apply(cursor: sqlite3.Cursor, number: int, name: str, text: str) -> None:
    cursor.execute(statements.CREATE_VERSIONS)
    if _read_version(cursor) >= number:
        return
    for statement in split(text):
        cursor.execute(statement)
    cursor.execute(statements.RECORD_VERSION, (number, name, SystemClock().now()))


def migrations() -> list[tuple[int, str, str]]:
    """Return (number, file name, SQL) of every migration, in order."""
    found = [file for file in files("perdure_sqlite").joinpath("migrations").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in found)


def split(text: str) -> Iterator[str]:
    """Yield a script's statements one by one: `executescript` would commit before it starts."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
