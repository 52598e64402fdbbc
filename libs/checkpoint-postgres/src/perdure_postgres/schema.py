"""Creating and migrating the schema: numbered files, each applied and recorded in one transaction of its own.

Several processes may start on one empty database at once: each migration is looked at again once the lock is held.
"""

from collections.abc import Sequence
from importlib.resources import files
from time import monotonic
from typing import Final

from psycopg.sql import SQL, Identifier

from perdure.errors import SchemaVersionError, StoreError, StoreUnavailableError, UsageError
from perdure_postgres import statements
from perdure_postgres.effects import Connection, Execute, Flow, Pause, Row, together
from perdure_postgres.reading import Shelf
from perdure_postgres.statements import TABLES, Names

NEWEST: Final = 1
"""The number of the last migration."""
OLDEST_SERVER: Final = 150000
"""PostgreSQL 15: the first whose views can keep to the rights of who reads them."""
MOST_PARTITIONS: Final = 1024
DEFAULT_SCHEMA: Final = "perdure"
LOCK_PATIENCE = 30.0
LOCK_PAUSE: Final = 0.02
"""Seconds."""


def schema_sql(schema: str = DEFAULT_SCHEMA, *, rls: bool = False, partitions: int | None = None) -> str:
    """Return the DDL as a script, for those who run migrations themselves; then use `auto_setup=False`.

    Args:
        schema: Where the tables stand.
        rls: With the row-level-security policies (see `PostgresSaver.setup`).
        partitions: Split events and snapshots by hash into so many tables.
    """
    check_partitions(partitions)
    names = Names(schema)
    parts = [names(statements.CREATE_SCHEMA), names(statements.CREATE_MIGRATIONS)]
    for number, name, text in migrations():
        script = write_migration(schema, text, partitions)
        record = SQL(statements.RECORD_MIGRATION.replace("%(version)s", str(number)).replace("%(name)s", "{name}"))
        known = {table: Identifier(schema, table) for table in TABLES}
        parts += [b"BEGIN", *script, record.format(name=name, **known).as_bytes(None), b"COMMIT"]
    if rls:
        parts += [names(one) for table in SECURED for one in _policy(table)]
    return ";\n".join(part.decode().strip().rstrip(";") for part in parts) + ";\n"


def check_partitions(partitions: int | None) -> None:
    """Refuse (UsageError) a number of partitions that makes no sense."""
    if partitions is not None and not 1 <= partitions <= MOST_PARTITIONS:
        raise UsageError(f"partitions={partitions!r} is not between 1 and {MOST_PARTITIONS}.")


def migrations() -> list[tuple[int, str, str]]:
    """Return (number, file name, SQL) of every migration, in order."""
    found = [file for file in files("perdure_postgres").joinpath("migrations").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in found)


def write_migration(schema: str, text: str, partitions: int | None) -> list[bytes]:
    """Return a migration's statements for one schema, and those that make the partitions of the tables it creates."""
    partitioned = SQL("" if partitions is None else "PARTITION BY HASH (branch_no)")
    known = {"schema": Identifier(schema), "partitioned": partitioned}
    written = [SQL(text).format(**known).as_bytes(None)]
    for table in ("events", "snapshots"):
        if partitions is not None and f"CREATE TABLE {{schema}}.{table} " in text:
            written += [_partition(schema, table, number, partitions) for number in range(partitions)]
    if partitions is not None:
        written += [_guard(schema, number) for number in range(partitions) if APPEND_ONLY in text]
    return written


APPEND_ONLY: Final = "CREATE TRIGGER append_only_whole"


def _guard(schema: str, number: int) -> bytes:
    """Refuse TRUNCATE of one partition: the whole table's trigger does not fire for it, as one for rows would."""
    part, function = Identifier(schema, f"events_{number}"), Identifier(schema, "refuse_change")
    text = SQL(APPEND_ONLY + " BEFORE TRUNCATE ON {part} FOR EACH STATEMENT EXECUTE FUNCTION {function}()")
    return text.format(part=part, function=function).as_bytes(None)


def _partition(schema: str, table: str, number: int, partitions: int) -> bytes:
    part, whole = Identifier(schema, f"{table}_{number}"), Identifier(schema, table)
    text = SQL("CREATE TABLE {part} PARTITION OF {whole} FOR VALUES WITH (MODULUS {all}, REMAINDER {number})")
    return text.format(part=part, whole=whole, all=SQL(str(partitions)), number=SQL(str(number))).as_bytes(None)


# -- on a connection -----------------------------------------------------------------------------------------


def require_schema(connection: Connection, shelf: Shelf, place: str) -> Flow[bool]:
    """Raise StoreError if the schema is missing or old, SchemaVersionError if it is newer than this package."""
    version = yield from _read_version(connection, shelf.names, place)
    if version < NEWEST:
        found = f"has schema version {version}, but {NEWEST} is needed" if version else "has no schema of perdure"
        raise StoreError(f"{place} {found}: call saver.setup(), or leave auto_setup on.")
    yield from _count_on(connection, shelf)
    return False


def migrate(
    connection: Connection, shelf: Shelf, place: str, *, rls: bool = False, partitions: int | None = None
) -> Flow[bool]:
    """Bring the schema to `NEWEST`, and tell whether it was not there; do nothing, not even write, when it was."""
    names = shelf.names
    version = yield from _read_version(connection, names, place)
    if version < NEWEST:
        yield from together(connection, _prepare(connection, names))
        for number, name, text in migrations():
            script = write_migration(names.schema, text, partitions)
            yield from together(connection, _apply(connection, names, number, name, script))
    elif partitions is not None:
        yield from _require_partitions(connection, names, partitions)
    for table in SECURED if rls else ():
        yield from together(connection, _secure(connection, names, table))
    yield from _count_on(connection, shelf)
    return version < NEWEST


def _read_version(connection: Connection, names: Names, place: str) -> Flow[int]:
    table = Identifier(names.schema, "migrations").as_string(None)
    looked: list[Row] = yield Execute(connection, names(statements.LOOK_AROUND), {"table": table})
    exists, encoding, server = looked[0]
    if encoding != "UTF8":
        raise StoreError(f"{place} stores text as {encoding}; perdure needs UTF8: use another database.")
    if server < OLDEST_SERVER:
        raise StoreError(f"{place} is PostgreSQL {server // 10000}; perdure needs {OLDEST_SERVER // 10000} or newer.")
    version = 0
    if exists:
        rows: list[Row] = yield Execute(connection, names(statements.NEWEST_MIGRATION))
        version = rows[0][0]
    if version > NEWEST:
        raise SchemaVersionError(
            f"{place} has schema version {version}, this perdure-checkpoint-postgres knows {NEWEST}: upgrade the"
            " package. Nothing was changed."
        )
    return version


def _lock(connection: Connection, names: Names) -> Flow[None]:
    """Have the schema to ourselves until the transaction ends; who makes it in a long one is not waited for long."""
    deadline = monotonic() + LOCK_PATIENCE
    while True:
        got: list[Row] = yield Execute(connection, names(statements.LOCK_SCHEMA), {"key": f"perdure {names.schema}"})
        if got[0][0]:
            return
        if monotonic() >= deadline:
            raise StoreUnavailableError(
                f"Another transaction has been changing the schema {names.schema!r} for {LOCK_PATIENCE:g} seconds: let"
                " it end. Call setup() before a connection is lent that is in a transaction."
            )
        yield Pause(LOCK_PAUSE)


def _prepare(connection: Connection, names: Names) -> Flow[None]:
    yield from _lock(connection, names)
    found: list[Row] = yield Execute(
        connection, names(statements.HAS_SCHEMA), {"schema": Identifier(names.schema).as_string(None)}
    )
    if not found[0][0]:
        yield Execute(connection, names(statements.CREATE_SCHEMA))
    yield Execute(connection, names(statements.CREATE_MIGRATIONS))


def _apply(connection: Connection, names: Names, number: int, name: str, script: Sequence[bytes]) -> Flow[None]:
    yield from _lock(connection, names)
    rows: list[Row] = yield Execute(connection, names(statements.NEWEST_MIGRATION))
    if rows[0][0] >= number:
        return
    for statement in script:
        yield Execute(connection, statement)
    yield Execute(connection, names(statements.RECORD_MIGRATION), {"version": number, "name": name})


def _require_partitions(connection: Connection, names: Names, partitions: int) -> Flow[None]:
    rows: list[Row] = yield Execute(
        connection,
        names(statements.COUNT_PARTITIONS),
        {"table": Identifier(names.schema, "events").as_string(None)},
    )
    if rows[0][0] != partitions:
        raise UsageError(
            f"The schema {names.schema!r} was created with {rows[0][0] or 'no'} partitions, not {partitions}: copy the"
            " threads into a new schema to change that."
        )


def _count_on(connection: Connection, shelf: Shelf) -> Flow[None]:
    """Seal the positions of a database that was restored into a server whose transactions count less far."""
    names = shelf.names
    rows: list[Row] = yield Execute(connection, names(statements.IS_RESTORED), {"tenant": shelf.tenant})
    if rows and rows[0][0]:
        table = Identifier(names.schema, "events").as_string(None)
        sees: list[Row] = yield Execute(connection, names(statements.SEES_ALL), {"table": table})
        if not sees[0][0]:
            raise StoreUnavailableError(
                "This database was restored from another server: open it once as the owner of the tables, who sees all"
                " of them (setup() is enough)."
            )
        yield from together(connection, _seal(connection, names))


def _seal(connection: Connection, names: Names) -> Flow[None]:
    yield from _lock(connection, names)
    yield Execute(connection, names(statements.COUNT_ON))


# -- row-level security --------------------------------------------------------------------------------------

_OWN = "tenant = current_setting('perdure.tenant', true)"
SECURED: Final = ("threads", "branches", "events", "snapshots")
"""A role that does not own the tables sees and writes the rows of the tenant that it has set, and no other."""


def _policy(table: str) -> list[str]:
    return [
        f"ALTER TABLE {{{table}}} ENABLE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS own_tenant ON {{{table}}}",
        f"CREATE POLICY own_tenant ON {{{table}}} USING ({_OWN}) WITH CHECK ({_OWN})",
    ]


def _secure(connection: Connection, names: Names, table: str) -> Flow[None]:
    """Turn the policy of one table on: alone, so that it can wait for nobody who waits for another table."""
    yield from _lock(connection, names)
    place = {"schema": names.schema, "table": table}
    found: list[Row] = yield Execute(connection, names(statements.HAS_POLICY), place)
    if not found[0][0]:
        for statement in _policy(table):
            yield Execute(connection, names(statement))
