"""The saver that keeps everything in memory: `InMemorySaver`."""

from perdure_memory.saver import InMemorySaver
from perdure_memory.url import from_url

__all__ = ["InMemorySaver", "from_url"]
