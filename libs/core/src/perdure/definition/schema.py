"""A state's shape, read from an annotation once: which channels its keys are, and how a node gets to see it.

TypedDicts, dataclasses, pydantic models and other annotated classes have a channel for each key; any other annotation
is one channel, `__root__`.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from inspect import Parameter, signature
from typing import Annotated, Any, Final, get_origin, get_type_hints, is_typeddict

from perdure.channels import BinaryOperatorAggregate, Channel, LastValue
from perdure.codecs import register_reachable
from perdure.definition.updates import ROOT, Accepts, Writes, field_names, is_model
from perdure.errors import GraphDefinitionError, InvalidUpdateError
from perdure.events import Value
from perdure.managed import ManagedValue

_QUALIFIERS: Final = ("Required", "NotRequired", "ReadOnly")


class Schema:
    """A state schema: `cls` as given, its `keys`, and what each key is (in `channels` or in `managed`)."""

    __slots__ = ("_accepts", "_build", "channels", "cls", "keys", "managed", "root")

    def __init__(self, cls: Any) -> None:
        """Read the annotation. Raises GraphDefinitionError for a reducer or channel that cannot be one."""
        self.cls = cls
        self.channels: Mapping[str, Channel]
        self.managed: Mapping[str, type[ManagedValue]]
        self.channels, self.managed = _read(cls)
        self.keys = tuple(self.channels)
        self.root = ROOT in self.channels
        self._build = _builder(cls)
        self._accepts = Accepts(
            frozenset(self.keys), frozenset(self.managed), f"An update of {self.name}", InvalidUpdateError
        )

    @property
    def name(self) -> str:
        """The class's name, for messages."""
        return getattr(self.cls, "__name__", None) or str(self.cls)

    def coerce(self, values: Mapping[str, Value]) -> Value:
        """Return what a node is called with, given this schema's keys that have a value (managed ones included).

        A TypedDict's values as they are, an instance of a dataclass or model built from them (whatever its constructor
        raises goes through), a root state's one value (None when it has none).
        """
        if self._build is not None:
            return self._build(values)
        return values.get(ROOT) if self.root else values

    def writes(self, update: Value) -> Writes:
        """Return an update's (key, value) pairs. Raises InvalidUpdateError for an unknown key or an unfit type."""
        return self._accepts.pairs(update)

    def register(self) -> None:
        """Let the codec rebuild the types that this schema mentions."""
        for annotation in (self.cls, *(channel.typ for channel in self.channels.values())):
            register_reachable(annotation)


def is_structured(hint: Any) -> bool:
    """Tell whether an annotation is a class whose annotated fields are state keys."""
    if not isinstance(hint, type):
        return False
    return is_typeddict(hint) or is_dataclass(hint) or is_model(hint) or bool(field_names(hint))


def _builder(cls: Any) -> Callable[[Mapping[str, Value]], Value] | None:
    """Return what makes an instance of `cls` from the state, or None when nodes get the state itself."""
    cls = _class_of(cls)
    if is_dataclass(cls):
        wanted = frozenset(field.name for field in fields(cls) if field.init)
    elif is_model(cls):
        wanted = frozenset(cls.model_fields)
    else:
        return None
    make: Callable[..., Value] = cls
    return lambda values: make(**{key: value for key, value in values.items() if key in wanted})


def _class_of(annotation: Any) -> Any:
    """Return the class behind `State[int]`, else the annotation."""
    origin = get_origin(annotation)
    return origin if is_structured(origin) else annotation


def _read(annotation: Any) -> tuple[dict[str, Channel], dict[str, type[ManagedValue]]]:
    cls = _class_of(annotation)
    if not is_structured(cls):
        return {ROOT: _root(annotation)}, {}
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as exc:
        raise GraphDefinitionError(
            f"An annotation of {cls.__name__} names {exc.name!r}, which cannot be found in its module."
            " Define it at module level, or import it outside `if TYPE_CHECKING`."
        ) from exc
    channels: dict[str, Channel] = {}
    managed: dict[str, type[ManagedValue]] = {}
    for key in field_names(cls):
        kind = _kind(key, hints[key])
        if isinstance(kind, Channel):
            channels[key] = kind
        else:
            managed[key] = kind
    return channels, managed


def _root(annotation: Any) -> Channel:
    kind = _kind(ROOT, annotation)
    if isinstance(kind, Channel):
        return kind
    raise GraphDefinitionError(f"{annotation} is computed by the engine: it can be a key of a state, not the state.")


def _kind(key: str, annotation: Any) -> Channel | type[ManagedValue]:
    """Return what a key is; the last entry of its `Annotated[…]` that says so counts, others are ignored."""
    typ, metadata = _unwrap(annotation)
    for place, entry in enumerate(reversed(metadata)):
        if isinstance(entry, type) and issubclass(entry, ManagedValue):
            return entry
        channel = _channel(typ, entry, key, last=place == 0)
        if channel is not None:
            channel.key = key
            return channel
    plain = LastValue(typ)
    plain.key = key
    return plain


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the type without `Annotated` and qualifiers, and all that `Annotated` said, innermost first."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            metadata = annotation.__metadata__ + metadata
            annotation = annotation.__origin__
        elif getattr(origin, "_name", None) in _QUALIFIERS:
            annotation = annotation.__args__[0]
        else:
            return annotation, metadata


def _channel(typ: Any, entry: Any, key: str, *, last: bool) -> Channel | None:
    if isinstance(entry, Channel):
        return copy(entry)  # one instance may serve several keys and graphs
    if isinstance(entry, type) and issubclass(entry, Channel):
        try:
            return entry(typ)
        except TypeError as exc:
            raise GraphDefinitionError(
                f"Key {key!r}: {entry.__name__} needs more than a type. Annotate with an instance instead of the class."
            ) from exc
    if not callable(entry) or (isinstance(entry, type) and not last):
        return None
    found = _reducer_signature(entry)
    if found is None:
        return BinaryOperatorAggregate(typ, entry)
    if not last:
        return None
    raise GraphDefinitionError(f"Key {key!r}: Invalid reducer signature. Expected (a, b) -> c. Got {found}")


def _reducer_signature(reducer: Callable[..., Any]) -> str | None:
    """Return None when the callable takes two positional arguments (or cannot tell), else its signature."""
    try:
        found = signature(reducer)
    except ValueError:  # some builtins (`max`) have none, and do take two
        return None
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(parameter.kind in positional for parameter in found.parameters.values())
    return None if count == 2 else str(found)
