"""The saver that keeps everything in one SQLite file: `SqliteSaver`."""

from perdure_sqlite.saver import SqliteSaver
from perdure_sqlite.url import from_url

__all__ = ["SqliteSaver", "from_url"]
