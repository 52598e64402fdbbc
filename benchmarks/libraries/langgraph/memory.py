"""The saver in memory."""

from contextlib import nullcontext

from langgraph.checkpoint.memory import InMemorySaver

from benchmarks.libraries.face import Opening, Savers


def saver(_: Opening) -> nullcontext[InMemorySaver]:
    """Return a saver."""
    return nullcontext(InMemorySaver())


SAVERS = Savers(saver, saver)
