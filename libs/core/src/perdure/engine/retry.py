"""Whether and when a failed attempt is tried again."""

from collections.abc import Sequence
from random import random

from perdure.errors import PerdureError
from perdure.types import RetryPolicy

_PROGRAMMING_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    PerdureError,
    ReferenceError,
    RuntimeError,
    StopAsyncIteration,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
)


def default_retry_on(error: Exception) -> bool:
    """Tell whether an error may pass by itself: lost connections and time-outs may, programming errors will not."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status >= 500
    return not isinstance(error, _PROGRAMMING_ERRORS)


def retry_delay(policies: Sequence[RetryPolicy], error: Exception, attempt: int) -> float | None:
    """Return the pause in seconds before the next attempt, or None when there is to be none.

    Args:
        policies: The first one that matches the error counts.
        error: What attempt number `attempt` raised.
        attempt: 1 for the first.
    """
    for policy in policies:
        if _matches(policy, error):
            if attempt >= policy.max_attempts:
                return None
            pause = policy.initial_interval * policy.backoff_factor ** (attempt - 1)
            return min(policy.max_interval, pause) + (random() if policy.jitter else 0.0)  # noqa: S311 - no secret
    return None


def _matches(policy: RetryPolicy, error: Exception) -> bool:
    retry_on = policy.retry_on
    if retry_on is None:
        return default_retry_on(error)
    if isinstance(retry_on, type):
        return isinstance(error, retry_on)
    if isinstance(retry_on, Sequence):
        return isinstance(error, tuple(retry_on))
    return retry_on(error)
