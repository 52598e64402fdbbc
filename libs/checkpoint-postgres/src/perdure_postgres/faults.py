"""The one seam where PostgreSQL's errors become perdure's: what was found, and what to do about it.

Here: reading SQLSTATEs. Not here: trying again (`effects.serve`). A message names the database's host and name, never
the URL: that holds a password.
"""

from typing import Final

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from perdure.errors import ClosedError, PerdureError, StoreError, StoreUnavailableError, UsageError

DRIVER_ERRORS: Final = (psycopg.Error, psycopg.Warning, PoolTimeout, PoolClosed, TooManyRequests, UnicodeError)

_LOST_STATES: Final = frozenset({
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now: starting up or shutting down
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
})  # fmt: skip
_UNAVAILABLE: Final = {
    "28P01": "the password is wrong",
    "28000": "the role may not log in (see pg_hba.conf), or does not exist",
    "3D000": "there is no database of that name: create it",
    "42501": "the role lacks a right: grant it, or run setup() as the schema's owner",
    "53100": "the server's disk is full: make room, then try again",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left: lower pool_config's max_size, or use a pooler",
    "25P04": "the transaction took longer than transaction_timeout allows",
    "57014": "the statement was cancelled, by a timeout or by somebody: raise statement_timeout, or try again",
    "55P03": "a lock was not to be had in time: find who holds a transaction open",
    "40001": "another transaction changed the same rows: run yours again",
    "40P01": "two transactions waited for each other: try again",
    "25006": "the server takes no writes: this is a replica, or default_transaction_read_only is on",
}
"""By SQLSTATE: what it means, and what to do."""


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, and another may do."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, PoolClosed):
        return False
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _LOST_STATES or state.startswith("08")


def translate(error: BaseException, place: str) -> PerdureError:
    """Return what to raise, from `error`, for the database at `place`."""
    if isinstance(error, PoolClosed):
        return ClosedError()
    if isinstance(error, PoolTimeout | TooManyRequests):
        return StoreUnavailableError(
            f"{place} gave no connection in time: all are in use, or the server does not answer. Raise pool_config's"
            " max_size, or timeout."
        )
    state = getattr(error, "sqlstate", None)
    said = _said(error)
    if state in _UNAVAILABLE:
        return StoreUnavailableError(f"{place} cannot be used now: {_UNAVAILABLE[state]} ({said}).")
    if is_lost(error):
        return StoreUnavailableError(f"{place} cannot be reached, or does not let this role in ({said}).")
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.UndefinedColumn):
        return StoreError(f"{place} lacks perdure's schema ({said}): call saver.setup(), or leave auto_setup on.")
    if isinstance(error, psycopg.DataError | UnicodeError | psycopg.ProgrammingError) and _is_value(state):
        return UsageError(f"PostgreSQL cannot hold this value ({said}).")
    return StoreError(f"{place} refused the statement ({said}).")


def _is_value(state: str | None) -> bool:
    return state is None or state.startswith(("22", "54"))


def _said(error: BaseException) -> str:
    """Return the first line of what the driver or the server said."""
    diagnosis = getattr(error, "diag", None)
    text = (diagnosis.message_primary if diagnosis is not None else None) or str(error)
    lines = text.strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
