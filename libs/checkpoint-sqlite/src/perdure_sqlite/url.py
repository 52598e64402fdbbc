"""The URL `sqlite:///file.db` and its options, read into a saver."""

from typing import cast

from perdure.errors import UsageError
from perdure.saver_urls import UrlOptions, parse_saver_url
from perdure_sqlite.connections import Synchronous
from perdure_sqlite.saver import SqliteSaver


def from_url(url: str) -> SqliteSaver:
    """Return a saver for `sqlite:///relative.db`, `sqlite:////absolute.db` or `sqlite:///:memory:`.

    Options: `tenant`, `synchronous`, `auto_setup`, `timeout`. Raises UsageError for anything else.
    """
    parts = parse_saver_url(url)
    if parts.scheme != "sqlite" or parts.host or len(parts.path) < 2 or not url.startswith("sqlite:///"):
        raise UsageError('The URL of an SQLite file has three slashes before a path: "sqlite:///relative.db".')
    options = UrlOptions(parts.options)
    tenant = options.text("tenant", "")
    # The saver itself refuses a word that is none of these.
    synchronous = cast(Synchronous, options.text("synchronous", "FULL").upper())
    auto_setup = options.flag("auto_setup", True)
    timeout = options.number("timeout", 30.0)
    options.refuse_rest()
    return SqliteSaver(parts.path[1:], tenant=tenant, synchronous=synchronous, auto_setup=auto_setup, timeout=timeout)
