"""What a PostgreSQL schema consists of, as its catalogs tell it: two that are alike tell the same."""

from typing import Any, Final

import psycopg

QUERIES: Final = {
    "relations": """
        SELECT c.relname, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity, c.relforcerowsecurity,
            pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), pg_get_viewdef(c.oid)
        FROM pg_class c WHERE c.relnamespace = to_regnamespace(%(schema)s)""",
    "columns": """
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = to_regnamespace(%(schema)s)""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = to_regnamespace(%(schema)s)""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %(name)s",
    "triggers": """
        SELECT c.relname, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid)
        FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE c.relnamespace = to_regnamespace(%(schema)s)""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)""",
    "policies": """
        SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
        WHERE schemaname = %(name)s""",
}


def describe(url: str, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a schema consists of, in an order that does not depend on when it was made."""
    with psycopg.connect(url) as connection:
        bound = {"schema": psycopg.sql.Identifier(schema).as_string(connection), "name": schema}
        found = {what: connection.execute(query, bound).fetchall() for what, query in QUERIES.items()}
        found["migrations"] = connection.execute(
            psycopg.sql.SQL("SELECT version, name FROM {}").format(psycopg.sql.Identifier(schema, "migrations"))
        ).fetchall()
    return {what: sorted(rows, key=repr) for what, rows in found.items()}
