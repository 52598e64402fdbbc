"""The one seam where SQLite's errors become perdure's: what was found, and what to do about it.

Here: reading error codes. Not here: retrying (`patience`) or rolling back (`database`).
"""

import sqlite3

from perdure.errors import ClosedError, CorruptEventError, PerdureError, StoreError, StoreUnavailableError, UsageError

DRIVER_ERRORS = (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError)
"""What the driver raises: its own tree, and Python's for values that SQLite cannot hold."""

UNAVAILABLE = {
    sqlite3.SQLITE_PERM: "access was denied: check the file's owner and mode",
    sqlite3.SQLITE_BUSY: "another connection kept it locked: find who holds a transaction open, or raise `timeout`",
    sqlite3.SQLITE_LOCKED: "another connection kept it locked: find who holds a transaction open, or raise `timeout`",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_READONLY: "it is read-only: make the file and its directory writable",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted: try again",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write: check the disk",
    sqlite3.SQLITE_FULL: "the disk is full: make room, then try again",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that its directory exists and is writable",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work: is the file on a network file system?",
    sqlite3.SQLITE_AUTH: "an authorizer of this connection refused the statement",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database: check the path",
}


def primary_code(error: BaseException) -> int:
    """Return SQLite's primary result code, 0 if the error does not come from SQLite itself."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def is_busy(error: BaseException) -> bool:
    """Tell whether waiting may help."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def translate(error: BaseException, place: str) -> PerdureError:
    """Return what to raise, from `error`, for the database at `place`."""
    code = primary_code(error)
    if code in UNAVAILABLE:
        return StoreUnavailableError(f"The SQLite database {place} cannot be used now: {UNAVAILABLE[code]} ({error}).")
    if code == sqlite3.SQLITE_CORRUPT:
        return CorruptEventError(
            f"The SQLite database {place} is damaged ({error}): keep a copy, run `PRAGMA integrity_check`,"
            " and restore a backup or use SQLite's `.recover`.",
            found=str(error),
        )
    if code == sqlite3.SQLITE_ERROR and "no such table" in str(error):
        return StoreError(f"The SQLite database {place} lacks perdure's schema ({error}): call saver.setup().")
    if code == 0:
        return _translate_misuse(error, place)
    if code in (sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE):
        return UsageError(f"SQLite cannot hold this value ({error}).")
    return StoreError(f"The SQLite database {place} refused the statement ({type(error).__name__}: {error}).")


def _translate_misuse(error: BaseException, place: str) -> PerdureError:
    text = str(error)
    if "closed database" in text:
        return ClosedError(f"The connection to {place} was closed by its owner: make a new saver on an open one.")
    if "created in a thread" in text:
        return UsageError("This connection serves one thread only: open it with check_same_thread=False.")
    if "decode to UTF-8" in text:
        return CorruptEventError(f"The SQLite database {place} holds a text that is no UTF-8 ({text}).", found=text)
    return UsageError(f"SQLite cannot hold this value ({type(error).__name__}: {text}).")
