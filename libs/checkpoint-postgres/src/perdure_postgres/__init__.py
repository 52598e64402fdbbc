"""The saver that keeps everything in PostgreSQL: `PostgresSaver`."""

from perdure_postgres.saver import PostgresSaver
from perdure_postgres.schema import schema_sql
from perdure_postgres.url import from_url

__all__ = ["PostgresSaver", "from_url", "schema_sql"]
