"""Which user types may be rebuilt from stored bytes: a process-wide table, by name.

Stored names are only ever looked up here; nothing is imported by a name that was read. What is not in the table is
read as `Opaque`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from perdure.codecs.shapes import Shape, custom, shape_of
from perdure.codecs.tree import full_name
from perdure.errors import UsageError
from perdure.events import Value

TypeT = TypeVar("TypeT", bound=type)
Upcast = Callable[[int, Value], Value]


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered type. `shape` is None for an exception, which has a stored form of its own."""

    cls: type
    name: str
    version: int
    shape: Shape | None
    upcast: Upcast | None

    def current(self, version: Value, payload: Value) -> Value:
        """Return a stored payload as the present version has it; raise ValueError for a version out of range."""
        if type(version) is not int or not 0 <= version <= self.version:
            raise ValueError(f"this process knows versions up to {self.version}")
        return self.upcast(version, payload) if self.upcast and version < self.version else payload


_by_name: dict[str, Registration] = {}
_by_class: dict[type, Registration] = {}

registration_of = _by_class.get
"""Return the registration of exactly this class, or None."""
registration_named = _by_name.get
"""Return the registration under a stored name, or None."""


def register_type(
    cls: TypeT,
    *,
    name: str | None = None,
    version: int = 1,
    encode: Callable[[Value], Value] | None = None,
    decode: Callable[[Value], Value] | None = None,
    upcast: Upcast | None = None,
) -> TypeT:
    """Let values of exactly this type be stored and rebuilt; return the type, so that it can decorate a class.

    Enums, dataclasses, NamedTuples, pydantic models and exceptions need no more than this, and their constructors do
    not run when they are read. Registering a name again replaces what it meant; a class that is registered under a new
    name is still read under its old ones.

    Args:
        cls: The type. Its subclasses are types of their own.
        name: What is stored for it; `module.Qualified.Name` unless given. Give one to types that may move.
        version: Raise it when the stored form changes.
        encode: Turns an instance into any value that can be stored. Needed, with `decode`, for other classes.
        decode: Turns such a value back into an instance. It reads untrusted data.
        upcast: Called with the stored (older) version and payload, returns the payload of the present version. The
            payload is the dict of fields; an enum's is its member name, that of a type with `encode` what it returned.

    Raises:
        UsageError: The class has no stored form of its own and `encode` or `decode` is missing.
    """
    if not isinstance(cls, type):
        raise UsageError(f"register_type takes a class, not {cls!r}.")
    shape = _shape(cls, encode, decode)
    _enter(Registration(cls, name or full_name(cls), version, shape, upcast))
    return cls


def _shape(cls: type, encode: Callable[[Value], Value] | None, decode: Callable[[Value], Value] | None) -> Shape | None:
    if encode is not None and decode is not None:
        return custom(encode, decode)
    if encode is not None or decode is not None:
        raise UsageError(f"register_type({cls.__name__}) needs both encode= and decode=, or neither.")
    shape = shape_of(cls)
    if shape is None and not issubclass(cls, Exception):
        raise UsageError(
            f"{full_name(cls)} is no enum, dataclass, NamedTuple, pydantic model or exception:"
            " pass encode= and decode=."
        )
    return shape


def _enter(registration: Registration) -> None:
    _by_name[registration.name] = registration
    _by_class[registration.cls] = registration


def advice(cls: type) -> str:
    """Say why values of an unregistered class cannot be stored, and what to do."""
    name = full_name(cls)
    if shape_of(cls) is not None:
        return (
            f"is a {name}, which is not registered; register it: perdure.register_type({cls.__name__})."
            " (Types reachable from a graph's state schema are registered when it is compiled.)"
        )
    return (
        f"is a {name}, which has no stored form: store plain data instead, or register how it is stored:"
        f" perdure.register_type({cls.__name__}, encode=…, decode=…)."
    )
