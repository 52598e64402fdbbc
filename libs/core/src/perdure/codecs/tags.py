"""The built-in tags: for each type that JSON cannot hold, how it comes apart and how it is put together again.

A payload is itself a value (text, numbers, lists) that the walk encodes and decodes; so a tag never sees a tree.
Containers whose elements need a path of their own are taken apart in `encode`; here they are only rebuilt.
`build` may raise anything: `decode` turns it into `DecodeError`.
"""

import os
import re
from base64 import b64decode, b64encode
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from perdure.codecs import moments
from perdure.events import Value


class Tag(NamedTuple):
    """One type's stored form. `payload` is the exact type (or types) that `build` accepts."""

    name: str
    cls: type
    take: Callable[[Value], Value]
    payload: type | tuple[type, ...]
    build: Callable[[Value], Value]


class Built(NamedTuple):
    """A tag that is only read here; writing it is the walk's own business."""

    payload: type | tuple[type, ...]
    build: Callable[[Value], Value]


FACTORIES: Final[Mapping[str, type]] = {kind.__name__: kind for kind in (list, dict, int, set, str, float, bool, tuple)}
"""The only factories with which a `defaultdict` is stored or read."""

_FLOATS: Final = frozenset({"nan", "inf", "-inf"})
_ESCAPED = re.compile(r"\\(\\|ud[89a-f][0-9a-f]{2})")


def escape_text(text: str) -> str:
    r"""Return text in which each lone surrogate reads as `\udxxx` and each backslash is doubled."""
    return text.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode()


def _unescape_text(text: str) -> str:
    return _ESCAPED.sub(lambda match: "\\" if match[1] == "\\" else chr(int(match[1][1:], 16)), text)


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _base64(data: bytes | bytearray) -> str:
    return b64encode(data).decode()


def _float(text: str) -> float:
    if text not in _FLOATS:
        raise ValueError(f"a tagged float is one of {', '.join(sorted(_FLOATS))}")
    return float(text)


def _complex(payload: Value) -> complex:
    real, imag = payload
    if type(real) is not float or type(imag) is not float:
        raise TypeError("a complex number has two floats")
    return complex(real, imag)


def _fraction(payload: Value) -> Fraction:
    over, under = payload
    if type(over) is not int or type(under) is not int:
        raise TypeError("a fraction has two integers")
    return Fraction(over, under)


def _dict(pairs: Value) -> dict[Value, Value]:
    return dict(_pairs(pairs))


def _ordered(pairs: Value) -> OrderedDict[Value, Value]:
    return OrderedDict(_pairs(pairs))


def _counter(pairs: Value) -> Counter[Value]:
    counter: Counter[Value] = Counter()
    dict.update(counter, _pairs(pairs))
    return counter


def _defaultdict(payload: Value) -> defaultdict[Value, Value]:
    factory, pairs = payload
    return defaultdict(None if factory is None else FACTORIES[factory], _pairs(pairs))


def _deque(payload: Value) -> deque[Value]:
    limit, items = payload
    return deque(_listed(items), limit)


def _pairs(payload: Value) -> list[tuple[Value, Value]]:
    return [(key, value) for key, value in map(_listed, _listed(payload))]


def _listed(payload: Value) -> list[Value]:
    if type(payload) is not list:
        raise TypeError("a list was expected")
    return payload


def _posix(text: str) -> PurePosixPath:
    return PosixPath(text) if os.name == "posix" else PurePosixPath(text)


def _windows(text: str) -> PureWindowsPath:
    return WindowsPath(text) if os.name == "nt" else PureWindowsPath(text)


_PATHS = (
    Tag("PosixPath", PosixPath, str, str, _posix),
    Tag("WindowsPath", WindowsPath, str, str, _windows),
    Tag("PurePosixPath", PurePosixPath, str, str, PurePosixPath),
    Tag("PureWindowsPath", PureWindowsPath, str, str, PureWindowsPath),
)

_ADDRESSES = tuple(
    Tag(cls.__name__, cls, str, str, cls)
    for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
)

_MOMENTS = (
    Tag("datetime", datetime, moments.take_moment, (str, list), lambda v: moments.build_moment(datetime, v)),
    Tag("date", date, date.isoformat, str, date.fromisoformat),
    Tag("time", time, moments.take_moment, (str, list), lambda v: moments.build_moment(time, v)),
    Tag("timedelta", timedelta, lambda v: [v.days, v.seconds, v.microseconds], list, lambda v: timedelta(*v)),
    Tag("timezone", timezone, moments.take_offset, list, moments.build_offset),
    Tag("ZoneInfo", ZoneInfo, moments.take_zone, str, moments.build_zone),
)

TAGS: Final[tuple[Tag, ...]] = (
    Tag("tuple", tuple, list, list, tuple),
    Tag("bytes", bytes, _base64, str, _bytes),
    Tag("bytearray", bytearray, _base64, str, lambda v: bytearray(_bytes(v))),
    Tag("UUID", UUID, str, str, UUID),
    Tag("Decimal", Decimal, str, str, Decimal),
    Tag("Fraction", Fraction, lambda v: [v.numerator, v.denominator], list, _fraction),
    Tag("complex", complex, lambda v: [v.real, v.imag], list, _complex),
    Tag("range", range, lambda v: [v.start, v.stop, v.step], list, lambda v: range(*v)),
    Tag("slice", slice, lambda v: [v.start, v.stop, v.step], list, lambda v: slice(*v)),
    *_MOMENTS,
    *_PATHS,
    *_ADDRESSES,
)

BUILDERS: Final[Mapping[str, Built]] = {
    **{tag.name: Built(tag.payload, tag.build) for tag in TAGS},
    "str": Built(str, _unescape_text),
    # Hexadecimal: decimal digits cost quadratic time, and Python refuses more than 4,300 of them.
    "int": Built(str, lambda v: int(v, 16)),
    "float": Built(str, _float),
    "set": Built(list, set),
    "frozenset": Built(list, frozenset),
    "dict": Built(list, _dict),
    "OrderedDict": Built(list, _ordered),
    "Counter": Built(list, _counter),
    "defaultdict": Built(list, _defaultdict),
    "deque": Built(list, _deque),
}
