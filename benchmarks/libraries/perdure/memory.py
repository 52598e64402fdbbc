"""The saver in memory."""

from benchmarks.libraries.face import Opening, Savers
from perdure_memory import InMemorySaver


def saver(_: Opening) -> InMemorySaver:
    """Return a saver."""
    return InMemorySaver()


SAVERS = Savers(saver, saver)
