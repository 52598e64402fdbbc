"""A run's config, read once: whom it addresses, and under which bounds it runs.

`thread_id`, `checkpoint_id` and `checkpoint_ns` may stand flat or under `configurable`; not twice with two values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from perdure.engine.session import RECURSION_LIMIT
from perdure.errors import MissingThreadError, UsageError

PLACE: Final = ("thread_id", "checkpoint_id", "checkpoint_ns", "branch")


@dataclass(frozen=True, slots=True)
class Address:
    """Where in which thread a call goes."""

    thread_id: str | None
    checkpoint_id: str | None = None
    namespace: str = ""
    branch: str | None = None

    @property
    def thread(self) -> str:
        """The thread id. Raises MissingThreadError when there is none."""
        if self.thread_id is None:
            raise MissingThreadError()
        return self.thread_id


def address_of(config: Mapping[str, Any] | None) -> Address:
    """Return what a config addresses. Raises UsageError when it contradicts itself or holds ids that are no text."""
    inner = _checked(config)
    config = config or {}
    found: dict[str, str | None] = {}
    for name in PLACE:
        flat, nested = config.get(name), inner.get(name)
        if flat is not None and nested is not None and flat != nested:
            raise UsageError(f"The config names two values of {name}: {flat!r}, and {nested!r} under 'configurable'.")
        found[name] = _text(name, nested if flat is None else flat)
    return Address(
        found["thread_id"], found["checkpoint_id"] or None, found["checkpoint_ns"] or "", found["branch"] or None
    )


def _checked(config: Any) -> Mapping[str, Any]:
    """Return what stands under `configurable`. Raises UsageError for what is no config."""
    inner = (config.get("configurable") or {}) if isinstance(config, Mapping) else {}
    for place, found in (("A config", config or {}), ("What stands under 'configurable'", inner)):
        if not isinstance(found, Mapping):
            raise UsageError(f'{place} is a dict such as {{"thread_id": "…"}}; found {type(found).__name__}.')
    return inner


def max_concurrency_of(config: Mapping[str, Any]) -> int | None:
    """Return how many tasks may run side by side (None: the driver's choice). Raises UsageError for one below 1."""
    limit = config.get("max_concurrency")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise UsageError(f"max_concurrency must be an int of at least 1, found {_shown(limit)}.")
    return limit


def configurable_of(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a config holds under `configurable` beside the address."""
    inner = (config or {}).get("configurable") or {}
    return {name: value for name, value in inner.items() if name not in PLACE}


def recursion_limit_of(config: Mapping[str, Any] | None) -> int:
    """Return the recursion limit in supersteps. Raises UsageError for one below 1."""
    limit = (config or {}).get("recursion_limit", RECURSION_LIMIT)
    if not isinstance(limit, int) or limit < 1:
        raise UsageError(f"recursion_limit must be at least 1, found {_shown(limit)}.")
    return limit


def _text(name: str, value: Any) -> str | None:
    if type(value) is int or isinstance(value, UUID):
        value = str(value)
    if value is None or isinstance(value, str):
        if name == "thread_id" and value == "":
            raise UsageError("thread_id is empty: pass a text that names the thread.")
        return value
    raise UsageError(f"{name} must be a text (or an int or UUID, read as one), found {type(value).__name__}.")


def _shown(value: Any) -> str:
    """Return a refused number, or the type of what is none: it may be a secret in the wrong place."""
    return str(value) if type(value) in (int, float) else type(value).__name__
