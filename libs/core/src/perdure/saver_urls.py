"""One setting picks the saver: `open_saver("memory:" | "sqlite:///file.db" | "postgresql://…")`.

Here: reading the URL and finding the package that serves its scheme (entry points of the group `perdure.savers`).
Not here: any saver. Messages never quote a URL, because it may hold a password.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from perdure.errors import MissingDriverError, UsageError
from perdure.ports import Saver

GROUP = "perdure.savers"
PACKAGES = {
    "memory": "perdure-checkpoint-memory",
    "sqlite": "perdure-checkpoint-sqlite",
    "postgresql": "perdure-checkpoint-postgres",
    "postgres": "perdure-checkpoint-postgres",
}
ALIASES = {"postgres": "postgresql"}


class SaverUrl(NamedTuple):
    """A URL of the form `scheme:[//host]path[?option=value&…]`, split."""

    scheme: str
    host: str
    path: str
    """Decoded; with the slash that follows the host, if there is one."""
    options: dict[str, str]


def open_saver(url: str, **options: str | int | float | bool) -> Saver:
    """Return the saver that a URL names; `options` stand for the URL's query (`tenant="acme"` is `?tenant=acme`).

    Examples: `memory:`, `sqlite:///relative.db`, `sqlite:////absolute.db?synchronous=NORMAL`, `sqlite:///:memory:`.

    Raises:
        MissingDriverError: The scheme is known, its package is not installed; the message names the package.
        UsageError: An unknown scheme, a malformed URL, or an option that the saver does not have.
    """
    scheme = parse_saver_url(url).scheme
    if options:
        url += ("&" if "?" in url else "?") + urlencode(options)
    return _find_factory(scheme)(url)


def _find_factory(scheme: str) -> Callable[[str], Saver]:
    name = ALIASES.get(scheme, scheme)
    for entry in entry_points(group=GROUP, name=name):
        try:
            factory: Callable[[str], Saver] = entry.load()
        except ImportError as exc:
            raise MissingDriverError(f"The saver for {scheme!r} is installed but cannot be imported: {exc}.") from exc
        return factory
    if scheme in PACKAGES:
        raise MissingDriverError(f"No saver for {scheme!r} is installed: run `pip install {PACKAGES[scheme]}`.")
    raise UsageError(f"No saver is known for the scheme {scheme!r}; known are {', '.join(sorted(PACKAGES))}.")


def parse_saver_url(url: str) -> SaverUrl:
    """Split a saver's URL; raise UsageError when it has no scheme, a fragment, or a query that is not option=value."""
    if not isinstance(url, str):
        raise UsageError(f"A saver's URL must be a str, not {type(url).__name__}.")
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        # Not chained: the cause may quote a part of the password.
        raise UsageError("The saver's URL is malformed: its host or its ?option=value part cannot be read.") from None
    if not parts.scheme:
        raise UsageError('A saver\'s URL starts with a scheme, as in "sqlite:///file.db" or "memory:".')
    if parts.fragment:
        raise UsageError('A saver\'s URL has no fragment: write a "#" in a file name as %23.')
    return SaverUrl(parts.scheme, parts.netloc, unquote(parts.path), options)


class UrlOptions:
    """The options of a saver's URL, taken one by one; `refuse_rest` complains about those nobody took."""

    def __init__(self, options: dict[str, str]) -> None:
        self._left = dict(options)
        self._known: list[str] = []

    def text(self, name: str, default: str) -> str:
        """Take an option as it stands."""
        self._known.append(name)
        return self._left.pop(name, default)

    def number(self, name: str, default: float) -> float:
        """Take an option that is a number; raise UsageError if it is none."""
        text = self.text(name, str(default))
        try:
            return float(text)
        except ValueError as exc:
            raise UsageError(f"The option {name}={text!r} is no number.") from exc

    def flag(self, name: str, default: bool) -> bool:
        """Take an option that is true or false (1 or 0, yes or no); raise UsageError if it is none."""
        text = self.text(name, str(default)).lower()
        if text in ("true", "1", "yes"):
            return True
        if text in ("false", "0", "no"):
            return False
        raise UsageError(f"The option {name}={text!r} is neither true nor false.")

    def refuse_rest(self) -> None:
        """Raise UsageError if there is an option that this saver does not have."""
        for name in self._left:
            raise UsageError(f"This saver has no option {name!r}; it has {', '.join(sorted(self._known))}.")
