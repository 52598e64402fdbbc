"""The PostgreSQL saver as it is by default: it opens as many connections as are used at once."""

from benchmarks.libraries.face import Opening, Savers
from perdure_postgres import PostgresSaver


def saver(opening: Opening) -> PostgresSaver:
    """Return a saver for both APIs."""
    made = PostgresSaver(opening.where)
    if opening.new:
        made.setup()
    return made


SAVERS = Savers(saver, saver)
