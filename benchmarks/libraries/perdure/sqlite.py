"""The SQLite saver: WAL is its own rule, FULL its default; it is said here to be seen."""

from benchmarks.libraries.face import Opening, Savers
from perdure_sqlite import SqliteSaver


def saver(opening: Opening) -> SqliteSaver:
    """Return a saver for both APIs."""
    made = SqliteSaver(opening.where, synchronous="FULL")
    if opening.new:
        made.setup()
    return made


SAVERS = Savers(saver, saver)
