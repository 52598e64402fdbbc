"""Exceptions as data: what they say, never the code that made them.

Built-in exceptions come back as themselves, registered ones as their type (its constructor does not run), all others as
`RemoteError`, which keeps their type's name and message. Only `Exception`s come back; an exit or an interrupt does not.
"""

import builtins
from collections.abc import Mapping
from typing import Final

from perdure.codecs.registry import Registration, registration_named, registration_of
from perdure.codecs.tree import full_name
from perdure.events import Value

BUILTIN: Final[Mapping[str, type[Exception]]] = {
    name: item for name, item in vars(builtins).items() if isinstance(item, type) and issubclass(item, Exception)
}


class RemoteError(Exception):
    """An exception that was stored and whose type this process does not know."""

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"


def describe(exc: BaseException) -> dict[str, Value]:
    """Return what is always stored: type, version of a registered type, message, notes."""
    if type(exc) is RemoteError:
        return {"type": exc.type_name, "message": exc.message, **_notes(exc)}
    registration = registration_of(type(exc))
    if registration is None:
        return {"type": full_name(type(exc)), "message": _message(exc), **_notes(exc)}
    record: dict[str, Value] = {"type": registration.name, "version": registration.version}
    return {**record, "message": _message(exc), **_notes(exc)}


def arguments(exc: BaseException) -> list[Value] | None:
    """Return what its constructor takes; None for an exception that has only a message here."""
    if type(exc) is RemoteError:
        return None
    if isinstance(exc, OSError) and BUILTIN.get(type(exc).__name__) is type(exc):
        # `args` of an OSError leaves out its file names; its own reduction does not, and is no user code.
        return list(exc.__reduce__()[1])
    return list(exc.args)


def attributes(exc: BaseException) -> dict[str, Value]:
    """Return the instance's own attributes, notes aside."""
    return {name: item for name, item in vars(exc).items() if name != "__notes__"}


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception as broken:  # noqa: BLE001  user code
        return f"(its message cannot be shown: {type(broken).__name__})"


def _notes(exc: BaseException) -> dict[str, Value]:
    notes = getattr(exc, "__notes__", None)
    kept = [note for note in notes if type(note) is str] if isinstance(notes, list) else []
    return {"notes": kept} if kept else {}


def build_failure(record: Value) -> Exception:
    """Return the exception a stored record stands for; raise ValueError or TypeError for a record that is none."""
    name, message = record["type"], record["message"]
    if type(name) is not str or type(message) is not str:
        raise TypeError("an exception has a type and a message")
    exc = _rebuild(name, message, record)
    for note in record.get("notes", ()):
        BaseException.add_note(exc, note)
    return exc


def _rebuild(name: str, message: str, record: Mapping[str, Value]) -> Exception:
    args = record.get("args")
    registration = registration_named(name)
    if registration is not None and registration.shape is None and args is not None:
        return _registered(registration, record)
    if name not in BUILTIN:
        return RemoteError(name, message)
    return _from_message(name, message) if args is None else BUILTIN[name](*args)


def _from_message(name: str, message: str) -> Exception:
    """Return a built-in exception whose arguments could not be stored; a few types cannot do without theirs."""
    try:
        return BUILTIN[name](message)
    except TypeError:
        return RemoteError(name, message)


def _registered(registration: Registration, record: Mapping[str, Value]) -> Exception:
    stored = {"args": record["args"], "state": record.get("state", {})}
    fields = registration.current(record.get("version"), stored)
    base: Value = next(item for item in registration.cls.__mro__ if BUILTIN.get(item.__name__) is item)
    exc: Exception = base.__new__(registration.cls, *fields["args"])
    base.__init__(exc, *fields["args"])
    exc.args = tuple(fields["args"])
    vars(exc).update({str(name): item for name, item in dict(fields["state"]).items()})
    return exc
