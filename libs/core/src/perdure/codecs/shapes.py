"""How instances of user types come apart and are put together again, without running the user's constructor.

A dataclass is rebuilt with `object.__new__` and plain assignment, a NamedTuple with `tuple.__new__`, a pydantic model
(of a pydantic that the application imported) by pydantic's own state protocol, an enum by member name. No `__init__`,
`__post_init__`, `__setstate__` or validator of the user runs. `build` raises ValueError where the stored data no longer
fit the type.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, Flag
from functools import cached_property, partial, reduce
from operator import or_
from typing import NamedTuple

from perdure.codecs.tree import UnstorableError
from perdure.events import Value


class Parts(NamedTuple):
    """An instance taken apart: what upcasts see, and what is kept beside it."""

    payload: Value
    beside: Mapping[str, Value] = {}


class Shape(NamedTuple):
    """One type's way apart and back; `build` takes what `take` returned."""

    take: Callable[[Value], Parts]
    build: Callable[[Value, Mapping[str, Value]], Value]


Defaults = Mapping[str, Callable[[], Value]]

_HOLDS_MORE = (tuple, list, dict, set, frozenset, str, bytes, bytearray, int, float, complex, BaseException)
"""A dataclass that derives from one of these holds content that is in no field."""


def shape_of(cls: type) -> Shape | None:
    """Return how `cls` is stored, or None when it is no enum, pydantic model, NamedTuple or dataclass."""
    if issubclass(cls, Enum):
        return Shape(_take_flag, partial(_build_flag, cls)) if issubclass(cls, Flag) else _enum(cls)
    if (model := _model()) is not None and issubclass(cls, model):
        return Shape(_take_model, partial(_build_model, cls))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _named_tuple(cls)
    if dataclasses.is_dataclass(cls) and not issubclass(cls, _HOLDS_MORE):
        return _dataclass(cls)
    return None


def custom(encode: Callable[[Value], Value], decode: Callable[[Value], Value]) -> Shape:
    """Return the shape of a type whose application supplied both ways."""

    def take(value: Value) -> Parts:
        return Parts(encode(value))

    def build(payload: Value, _: Mapping[str, Value]) -> Value:
        return decode(payload)

    return Shape(take, build)


def fit(payload: Value, names: Sequence[str], defaults: Defaults) -> list[Value]:
    """Return the value of each field, defaults filled in; raise ValueError that says what does not fit."""
    if type(payload) is not dict:
        raise ValueError("its fields are no mapping")
    missing = [name for name in names if name not in payload and name not in defaults]
    unknown = [name for name in payload if name not in names]
    if missing or unknown:
        raise ValueError(_complaint(missing, unknown))
    return [payload[name] if name in payload else defaults[name]() for name in names]


def _complaint(missing: Iterable[Value], unknown: Iterable[Value]) -> str:
    return "; ".join(
        f"{what} {', '.join(map(repr, names))}"
        for what, names in (("stored without field", missing), ("stored with unknown field", unknown))
        if names
    )


# --- enum -----------------------------------------------------------------------------------------------------


def _enum(cls: type[Enum]) -> Shape:
    def take(value: Value) -> Parts:
        return Parts(value.name)

    def build(payload: Value, _: Mapping[str, Value]) -> Value:
        return _member(cls, payload)

    return Shape(take, build)


def _member(cls: type[Enum], name: Value) -> Enum:
    if type(name) is not str or name not in cls.__members__:
        raise ValueError(f"it has no member {name!r}")
    return cls.__members__[name]


def _take_flag(value: Value) -> Parts:
    """A flag is the list of its single bits' names."""
    members = list(value)
    if reduce(or_, (member.value for member in members), 0) != value.value:
        raise UnstorableError("has bits without a name: give every bit of the flag a member.", value)
    return Parts([member.name for member in members])


def _build_flag(cls: type[Flag], payload: Value, _: Mapping[str, Value]) -> Value:
    if type(payload) is not list:
        raise ValueError("its members are no list")
    return reduce(or_, (_member(cls, name) for name in payload), cls(0))


# --- NamedTuple and dataclass ---------------------------------------------------------------------------------


def _named_tuple(cls: type) -> Shape:
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    stored: Mapping[str, Value] = getattr(cls, "_field_defaults", {})
    defaults = {name: partial(_same, value) for name, value in stored.items()}

    def take(value: Value) -> Parts:
        return Parts(dict(zip(names, value, strict=True)))

    def build(payload: Value, _: Mapping[str, Value]) -> Value:
        return tuple.__new__(cls, fit(payload, names, defaults))

    return Shape(take, build)


def _same(value: Value) -> Value:
    return value


def _dataclass(cls: type) -> Shape:
    fields = dataclasses.fields(cls)
    names = tuple(field.name for field in fields)
    defaults = {field.name: factory for field in fields if (factory := _default(field))}
    assign = object.__setattr__

    def take(value: Value) -> Parts:
        payload = {name: _read(value, name) for name in names}
        _refuse_strays(value, payload)
        return Parts(payload)

    def build(payload: Value, _: Mapping[str, Value]) -> Value:
        instance: Value = object.__new__(cls)
        for name, value in zip(names, fit(payload, names, defaults), strict=True):
            assign(instance, name, value)
        return instance

    return Shape(take, build)


def _default(field: "dataclasses.Field[Value]") -> Callable[[], Value] | None:
    if field.default is not dataclasses.MISSING:
        return partial(_same, field.default)
    return None if field.default_factory is dataclasses.MISSING else field.default_factory


def _read(value: Value, name: str) -> Value:
    try:
        return getattr(value, name)
    except AttributeError:
        raise UnstorableError(f"has no value in its field {name!r}.", value) from None


def _refuse_strays(value: Value, payload: Mapping[str, Value]) -> None:
    """An attribute outside the fields would be lost, because `__post_init__` does not run again."""
    for name in getattr(value, "__dict__", ()):
        if name in payload or name.startswith("__") or isinstance(getattr(type(value), name, None), cached_property):
            continue
        raise UnstorableError(
            f"carries {name!r}, which is no field of its dataclass: declare it (`field(init=False)`), or register the"
            f" type with encode and decode.",
            value,
        )


# --- pydantic -------------------------------------------------------------------------------------------------


def _model() -> Value:
    """Return `pydantic.BaseModel` if the application has imported it."""
    # Not from `pydantic` itself: that imports its parts when they are first looked at.
    return getattr(sys.modules.get("pydantic.main"), "BaseModel", None)


def _take_model(value: Value) -> Parts:
    """Fields are the payload; beside it extras, private attributes, and the names that were set if not all were."""
    names = type(value).model_fields
    payload = {name: _read(value, name) for name in names}
    extra = value.__pydantic_extra__ or {}
    beside: dict[str, Value] = {"extra": extra} if extra else {}
    given = value.__pydantic_fields_set__
    if given != {*names, *extra}:
        beside["set"] = sorted(given)
    if private := {name: item for name, item in (value.__pydantic_private__ or {}).items() if _is_set(item)}:
        beside["private"] = private
    return Parts(payload, beside)


def _build_model(cls: Value, payload: Value, beside: Mapping[str, Value]) -> Value:
    fields = cls.model_fields
    defaults = {
        name: partial(field.get_default, call_default_factory=True, **_seen(field, payload))
        for name, field in fields.items()
        if not field.is_required()
    }
    values = dict(zip(fields, fit(payload, tuple(fields), defaults), strict=True))
    extra = beside.get("extra", {})
    allows = cls.model_config.get("extra") == "allow"
    if extra and not allows:
        raise ValueError(_complaint((), extra))
    state = {
        "__dict__": values,
        "__pydantic_fields_set__": set(beside.get("set", {*payload, *extra})),
        "__pydantic_extra__": dict(extra) if allows else None,
        "__pydantic_private__": _private(cls, beside.get("private", {}), values),
    }
    instance = object.__new__(cls)
    _model().__setstate__(instance, state)
    return instance


def _seen(field: Value, payload: Value) -> Mapping[str, Value]:
    """Before 2.10 pydantic knows no factories that look at the other fields."""
    return {"validated_data": payload} if getattr(field, "default_factory_takes_validated_data", False) else {}


def _private(cls: Value, stored: Mapping[str, Value], fields: Mapping[str, Value]) -> dict[str, Value] | None:
    """Return the private attributes: as stored, else their defaults (a lock or a client is made anew)."""
    declared = cls.__private_attributes__
    if not declared:
        return None
    known = {
        name: stored[name] if name in stored else _private_default(item, fields) for name, item in declared.items()
    }
    return {name: item for name, item in known.items() if _is_set(item)}


def _private_default(declared: Value, fields: Mapping[str, Value]) -> Value:
    factory = declared.default_factory
    if factory is None:
        return declared.get_default()
    return factory(fields) if getattr(declared, "default_factory_takes_validated_data", False) else factory()


def _is_set(value: Value) -> bool:
    return value is not sys.modules["pydantic_core"].PydanticUndefined
