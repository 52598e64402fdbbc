"""Values to trees: one walk, dispatched by exact type, so that nothing reaches orjson that it would write untagged.

orjson writes tuples, enums, dataclasses, UUIDs and NaN on its own and does not read them back; here every type has an
encoder or is refused. Strings, booleans and None are handled inside the loops, because most leaves are one of them.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import orjson

from perdure.codecs import arrays, failures
from perdure.codecs.opaque import Opaque
from perdure.codecs.registry import Registration, advice, registration_of
from perdure.codecs.shapes import Shape
from perdure.codecs.tags import FACTORIES, TAGS, escape_text
from perdure.codecs.tree import (
    DEPTH_READ,
    FAILURES,
    MAX_DEPTH,
    TAG,
    JsonTree,
    UnstorableError,
    blame,
    height,
    key_step,
    too_deep,
)
from perdure.events import Value

Encoder: TypeAlias = Callable[[Value, int], JsonTree]

_ATOMS: Final = frozenset({bool, type(None)})
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_INFINITE: Final = float("inf")


def encode(value: Value, depth: int) -> JsonTree:
    """Return the tree of a value that stands `depth` levels deep; raise one of FAILURES."""
    return _ENCODERS.get(type(value), _other)(value, depth)


# --- what JSON holds ------------------------------------------------------------------------------------------


def _atom(value: Value, _: int) -> JsonTree:
    tree: JsonTree = value
    return tree


def _text(value: str, _: int = 0) -> JsonTree:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return {TAG: "str", "v": escape_text(value)}
    return value


def _int(value: int, _: int) -> JsonTree:
    if _INT_MIN <= value <= _INT_MAX:
        return value
    return {TAG: "int", "v": hex(value)}


def _float(value: float, _: int) -> JsonTree:
    if -_INFINITE < value < _INFINITE:
        return value
    return {TAG: "float", "v": repr(value)}


def _list(value: list[Value], depth: int) -> JsonTree:
    if depth > MAX_DEPTH:
        raise too_deep(value)
    tree: list[JsonTree] = []
    add = tree.append
    try:
        for item in value:
            kind = type(item)
            if kind is str:
                add(item if item.isascii() else _text(item))
            elif kind in _ATOMS or (kind is int and _INT_MIN <= item <= _INT_MAX):
                add(item)
            else:
                add(_ENCODERS.get(kind, _other)(item, depth + 1))
    except FAILURES as exc:
        raise blame(exc, f"[{len(tree)}]", value) from exc.__cause__
    return tree


def _dict(value: dict[Value, Value], depth: int) -> JsonTree:
    if depth > MAX_DEPTH:
        raise too_deep(value)
    tree: dict[str, JsonTree] = {}
    key: Value = ""
    # Before anything is walked: a dict that turned out odd half way would be walked twice, and its dicts four times.
    if not _is_plain(value):
        return {TAG: "dict", "v": _pairs(value, depth + 1)}
    try:
        for key, item in value.items():
            kind = type(item)
            if kind is str:
                tree[key] = item if item.isascii() else _text(item)
            elif kind in _ATOMS or (kind is int and _INT_MIN <= item <= _INT_MAX):
                tree[key] = item
            else:
                tree[key] = _ENCODERS.get(kind, _other)(item, depth + 1)
    except FAILURES as exc:
        raise blame(exc, key_step(key), value) from exc.__cause__
    return tree


def _is_plain(value: Mapping[Value, Value]) -> bool:
    """Tell whether all keys are text that JSON holds and none of them is the tag's."""
    for key in value:
        if type(key) is not str or not (key.isascii() or type(_text(key)) is str):
            return False
    return TAG not in value


# --- containers with a tag ------------------------------------------------------------------------------------


def _pairs(value: Mapping[Value, Value], depth: int) -> list[JsonTree]:
    if depth > MAX_DEPTH:
        raise too_deep(value)
    try:
        return [[_key(key, value, depth + 2), _item(key, item, value, depth + 2)] for key, item in value.items()]
    except FAILURES as exc:
        raise blame(exc, "", value) from exc.__cause__


def _key(key: Value, container: Value, depth: int) -> JsonTree:
    """A key has no path of its own: where it fails, its dict is what cannot be stored."""
    try:
        return encode(key, depth)
    except FAILURES as exc:
        inner = blame(exc, "", key)
        fail = UnstorableError(f"has a key that {inner.message}", container)
        fail.type_name = inner.type_name
        raise fail from exc.__cause__


def _item(key: Value, item: Value, container: Value, depth: int) -> JsonTree:
    try:
        return encode(item, depth)
    except FAILURES as exc:
        raise blame(exc, key_step(key), container) from exc.__cause__


def _mapping(name: str) -> Encoder:
    def encode_mapping(value: Value, depth: int) -> JsonTree:
        return {TAG: name, "v": _pairs(value, depth + 1)}

    return encode_mapping


def _defaultdict(value: defaultdict[Value, Value], depth: int) -> JsonTree:
    factory = value.default_factory
    name = None if factory is None else getattr(factory, "__name__", "")
    if name is not None and FACTORIES.get(name) is not factory:
        raise UnstorableError(f"has the factory {factory!r}: only {', '.join(FACTORIES)} can be stored.", value)
    return {TAG: "defaultdict", "v": [name, _pairs(value, depth + 2)]}


def _deque(value: deque[Value], depth: int) -> JsonTree:
    return {TAG: "deque", "v": [value.maxlen, _inner(list(value), value, depth + 2)]}


def _inner(payload: Value, container: Value, depth: int) -> JsonTree:
    """Encode what stands for `container`, which itself goes on record, so that a cycle through it is seen."""
    try:
        return encode(payload, depth)
    except FAILURES as exc:
        raise blame(exc, "", container) from exc.__cause__


def _set(name: str) -> Encoder:
    """Sets are stored in the order of their elements' bytes, so that equal sets have equal bytes."""

    def encode_set(value: Iterable[Value], depth: int) -> JsonTree:
        if depth > MAX_DEPTH:
            raise too_deep(value)
        try:
            items = [encode(item, depth + 2) for item in value]
        except FAILURES as exc:
            raise blame(exc, "[*]", value) from exc.__cause__
        return {TAG: name, "v": sorted(items, key=orjson.dumps)}

    return encode_set


def _tagged(name: str, take: Callable[[Value], Value]) -> Encoder:
    def encode_tagged(value: Value, depth: int) -> JsonTree:
        try:
            payload = take(value)
        except UnstorableError:
            raise
        except Exception as exc:
            raise _broken(value, exc) from exc
        return {TAG: name, "v": _inner(payload, value, depth + 1)}

    return encode_tagged


def _broken(value: Value, exc: Exception) -> UnstorableError:
    """Return the signal for user code (a tzinfo, a property, an `encode`) that raised on taking a value apart."""
    return UnstorableError(f"cannot be taken apart: {type(exc).__name__}: {exc}", value)


# --- everything else ------------------------------------------------------------------------------------------


def _other(value: Value, depth: int) -> JsonTree:
    registration = registration_of(type(value))
    if registration is not None and registration.shape is not None:
        return _object(value, depth, registration, registration.shape)
    if isinstance(value, BaseException):
        return _failure(value, depth)
    if array := arrays.take_array(value):
        tag, payload = array
        return {TAG: tag, "v": encode(payload, depth + 1)}
    raise UnstorableError(advice(type(value)), value)


def _object(value: Value, depth: int, registration: Registration, shape: Shape) -> JsonTree:
    if depth > MAX_DEPTH:
        raise too_deep(value)
    try:
        payload, beside = shape.take(value)
    except UnstorableError:
        raise
    except Exception as exc:
        raise _broken(value, exc) from exc
    tree: dict[str, JsonTree] = {TAG: "object", "type": registration.name, "version": registration.version}
    tree["v"] = _inner(payload, value, depth + 1)
    if beside:
        tree["x"] = {part: _beside(part, item, depth + 2) for part, item in beside.items()}
    return tree


def _beside(part: str, item: Value, depth: int) -> JsonTree:
    if part != "private":
        return encode(item, depth)
    # A model's private attributes are no data (locks, clients, caches): what cannot be stored is left to its default.
    return {name: tree[0] for name, one in item.items() if (tree := _attempt(one, depth + 1))}


def _attempt(value: Value, depth: int) -> list[JsonTree]:
    try:
        return [encode(value, depth)]
    except FAILURES:
        return []


def _failure(value: BaseException, depth: int) -> JsonTree:
    """Store a registered exception exactly or not at all; of any other, drop arguments that cannot be stored."""
    if depth > MAX_DEPTH:
        raise too_deep(value)
    tree = {name: encode(item, depth + 2) for name, item in failures.describe(value).items()}
    args = failures.arguments(value)
    if registration_of(type(value)) is None:
        tree["args"] = next(iter(_attempt(args, depth + 2)), None)
        return {TAG: "exception", "v": tree}
    try:
        tree["args"] = encode(args, depth + 2)
    except FAILURES as exc:
        raise blame(exc, ".args", value) from exc.__cause__
    tree["state"] = _inner(failures.attributes(value), value, depth + 2)
    return {TAG: "exception", "v": tree}


def _opaque(value: Opaque, depth: int) -> JsonTree:
    tree = value.tree
    if depth + height(tree) > DEPTH_READ:
        raise too_deep(value)
    return tree


_ENCODERS: Final[dict[type, Encoder]] = {
    **{tag.cls: _tagged(tag.name, tag.take) for tag in TAGS},
    type(None): _atom,
    bool: _atom,
    str: _text,
    int: _int,
    float: _float,
    list: _list,
    dict: _dict,
    set: _set("set"),
    frozenset: _set("frozenset"),
    OrderedDict: _mapping("OrderedDict"),
    Counter: _mapping("Counter"),
    defaultdict: _defaultdict,
    deque: _deque,
    Opaque: _opaque,
}
