"""The URL `postgresql://user@host/database` and the options that are ours, read into a saver."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from perdure.errors import UsageError
from perdure.saver_urls import UrlOptions
from perdure_postgres.saver import PostgresSaver
from perdure_postgres.schema import DEFAULT_SCHEMA

OURS = ("schema", "tenant", "auto_setup", "timeout", "prepare", "notify", "max_size")
"""Options of the saver. All others are the driver's own (`sslmode`, `application_name`, …)."""

MOST_CONNECTIONS = 10_000


def from_url(url: str) -> PostgresSaver:
    """Return a saver for `postgresql://user:password@host:port/database?schema=…`.

    Options: `schema`, `tenant`, `auto_setup`, `timeout`, `prepare`, `notify`, `max_size`, and every parameter of libpq.
    Raises UsageError for a value that cannot be read; messages never quote the URL.
    """
    try:
        parts = urlsplit(url)
        asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        # Not chained: the cause may quote a part of the password.
        raise UsageError("The URL is malformed: its host or its ?option=value part cannot be read.") from None
    if parts.scheme not in ("postgresql", "postgres") or not url.startswith(f"{parts.scheme}://"):
        raise UsageError('The URL of a PostgreSQL database starts with "postgresql://".')
    options = UrlOptions({name: value for name, value in asked if name in OURS})
    if parts.fragment:
        raise UsageError('The URL of a PostgreSQL database has no fragment: write a "#" in it as %23.')
    # libpq reads "+" as a plus, so a space is written as %20.
    rest = urlencode([(name, value) for name, value in asked if name not in OURS], quote_via=quote)
    max_size = options.number("max_size", 10)
    if not 1 <= max_size <= MOST_CONNECTIONS or max_size != int(max_size):
        raise UsageError(f"max_size={max_size:g} is not a whole number between 1 and {MOST_CONNECTIONS}.")
    saver = PostgresSaver(
        f"postgresql://{parts.netloc}{parts.path}{'?' if rest else ''}{rest}",
        schema=options.text("schema", DEFAULT_SCHEMA),
        tenant=options.text("tenant", ""),
        auto_setup=options.flag("auto_setup", True),
        timeout=options.number("timeout", 30.0),
        prepare=options.flag("prepare", True) if "prepare" in dict(asked) else None,
        notify=options.flag("notify", False),
        pool_config={"max_size": int(max_size)},
    )
    options.refuse_rest()
    return saver
