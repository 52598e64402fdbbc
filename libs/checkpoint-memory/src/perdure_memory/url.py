"""The URL `memory:` (options `tenant` and `max_bytes`), read into a saver."""

from perdure.errors import UsageError
from perdure.saver_urls import UrlOptions, parse_saver_url
from perdure_memory.saver import InMemorySaver


def from_url(url: str) -> InMemorySaver:
    """Return a new, empty saver for `memory:[?tenant=…&max_bytes=…]`; raise UsageError for anything else."""
    parts = parse_saver_url(url)
    if parts.scheme != "memory" or parts.host or parts.path:
        raise UsageError('The URL of the memory saver is "memory:", with nothing but ?option=value behind it.')
    options = UrlOptions(parts.options)
    tenant = options.text("tenant", "")
    max_bytes = int(options.number("max_bytes", 0)) or None
    options.refuse_rest()
    return InMemorySaver(tenant=tenant, max_bytes=max_bytes)
