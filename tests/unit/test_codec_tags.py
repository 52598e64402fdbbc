"""Every built-in tag: what JSON cannot hold comes back as it was, of exactly its type."""

import math
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy
import orjson
import pytest

from perdure.codecs import dumps, loads, to_tree
from perdure.errors import DecodeError, EncodeError
from tests.codec_values import alike

BERLIN = ZoneInfo("Europe/Berlin")

VALUES: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**64 - 1,
    2**64,
    -(2**63) - 1,
    10**5000,
    1.0,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "a\0b",
    "grüße 🐘",
    "\ud800",
    "\\ud800 \ud83d\ude00 \\",
    "\ude00\ud83d",
    b"",
    b"\0\xff",
    bytearray(b"xy"),
    (),
    (1, (2, [3])),
    [(), []],
    set(),
    {1, "a", (2, 3)},
    frozenset({frozenset({1})}),
    complex(-0.0, math.inf),
    {"$": "tuple", "v": [1]},
    {"$": 1},
    {1: "a", None: "b", (1, 2): "c", "d": 4},
    {"\ud800": 1},
    {"grüße": {"\0": 1}},
    {True: 1, "True": 2},
    OrderedDict([("b", 1), ("a", 2)]),
    Counter("aab"),
    defaultdict(list, {"a": [1]}),
    defaultdict(None, {1: 2}),
    deque([1, (2,)], maxlen=3),
    deque(),
    range(1, 10, 2),
    slice(1, None, -1),
    UUID("12345678-1234-5678-1234-567812345678"),
    Decimal("-0.00"),
    Decimal("1e999999"),
    Decimal("sNaN123"),
    Fraction(-3, 7),
    Fraction(2**70, 3),
    date(2026, 1, 2),
    datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001  naive
    datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, seconds=7, microseconds=9))),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1), "home")),
    time(1, 2, 3, 4),
    time(1, 2, tzinfo=BERLIN, fold=1),
    timedelta(days=-999999999),
    timedelta(microseconds=1),
    UTC,
    timezone(timedelta(hours=1), "home"),
    BERLIN,
    Path("/a/b"),
    Path("odd\udcff"),
    PurePosixPath("a"),
    PureWindowsPath(r"C:\a"),
    ip_address("127.0.0.1"),
    ip_address("fe80::1%eth0"),
    ip_interface("10.0.0.1/8"),
    ip_interface("::1/64"),
    ip_network("10.0.0.0/8"),
    ip_network("2001:db8::/32"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_round_trip(value: Any) -> None:
    """The value comes back equal and of its type, alone and inside each kind of container."""
    for whole in (value, [value], {"key": value}, (value,), {2: value}):
        data = dumps(whole)
        assert alike(whole, loads(data))
        assert data == dumps(loads(data))


def test_plain_json_is_readable_as_it_is() -> None:
    """What JSON holds is stored without tags."""
    value = {"name": "ada", "n": 3, "x": 1.5, "ok": True, "none": None, "list": [1, {"deep": []}]}
    assert orjson.dumps(value) == dumps(value)


def test_a_tag_reads_as_one_object() -> None:
    """Tags are plain enough to be read by a human."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert to_tree(moment) == {"$": "datetime", "v": "2026-01-01T00:00:00+00:00"}
    assert to_tree((1, b"a")) == {"$": "tuple", "v": [1, {"$": "bytes", "v": "YQ=="}]}
    assert to_tree({"$": 1}) == {"$": "dict", "v": [["$", 1]]}


def test_the_tree_shares_nothing_with_the_value() -> None:
    """Changing a value after it was encoded does not change its tree."""
    value: dict[str, list[int]] = {"a": [1]}
    tree = to_tree(value)
    value["a"].append(2)
    assert tree == {"a": [1]}


class Fixed(tzinfo):
    """A zone of another library."""

    def __init__(self, hours: int | None) -> None:
        self._hours = hours

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None if self._hours is None else timedelta(hours=self._hours)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "fixed"


@pytest.mark.parametrize("fold", [0, 1])
def test_a_foreign_time_zone_keeps_the_moment(fold: int) -> None:
    """A tzinfo that is no ZoneInfo becomes its offset: the same moment, and a zone without offset stays without."""
    moment = datetime(2026, 1, 1, tzinfo=Fixed(2), fold=fold)
    assert moment == loads(dumps(moment))
    assert loads(dumps(moment)).tzinfo == timezone(timedelta(hours=2))
    assert time(1) == loads(dumps(time(1, tzinfo=Fixed(None), fold=fold)))


def test_a_zone_without_a_name_is_refused() -> None:
    """A ZoneInfo that was read from a file has no key to store."""
    header = struct.pack(">4sc15x6l", b"TZif", b"\0", 0, 0, 0, 0, 1, 4)
    nameless = ZoneInfo.from_file(BytesIO(header + struct.pack(">lbb4s", 3600, 0, 0, b"CET\0")))
    with pytest.raises(EncodeError, match="without a key"):
        dumps(nameless)


@pytest.mark.parametrize("key", ["../etc/passwd", "/etc/passwd", "No/Where", "", "Europe/../Europe/Berlin", "zone.tab"])
def test_a_hostile_zone_is_refused(key: str) -> None:
    """A key that is no zone's opens no file and imports no module."""
    with pytest.raises(DecodeError):
        loads(orjson.dumps({"$": "ZoneInfo", "v": key}))


ARRAYS: list[Any] = [
    numpy.arange(6).reshape(2, 3),
    numpy.arange(6.0).reshape(2, 3).T,
    numpy.array(1.5),
    numpy.zeros((0, 3), "f4"),
    numpy.array([True, False]),
    numpy.array(["a", "bcd", "🐘"]),
    numpy.array([b"a", b"bc"]),
    numpy.array(["2026-01-01", "NaT"], "M8[D]"),
    numpy.array([1, 2], "m8[ms]"),
    numpy.array([1, 2], ">i4"),
    numpy.array([1 + 2j], "c8"),
    numpy.array([""]),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}-{value.shape}")
def test_arrays(value: Any) -> None:
    """An array comes back with its dtype, shape and content, writable and with memory of its own."""
    found = loads(dumps([value]))[0]
    assert (type(value), value.dtype, value.shape) == (type(found), found.dtype, found.shape)
    assert value.tobytes() == found.tobytes()
    assert found.flags.writeable
    assert found.flags.owndata


@pytest.mark.parametrize(
    "value",
    [
        numpy.float64(1.5),
        numpy.float32("nan"),
        numpy.int8(-1),
        numpy.uint64(2**64 - 1),
        numpy.bool_(True),
        numpy.str_("a\0"),
        numpy.str_(""),
        numpy.bytes_(b"a\0"),
        numpy.datetime64("2026-01-01T00:00", "m"),
        numpy.timedelta64(3, "D"),
        numpy.complex128(1j),
        numpy.float16(2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numpy_scalars(value: Any) -> None:
    """A numpy scalar stays one, also where it derives from a Python type."""
    found = loads(dumps({"n": value}))["n"]
    assert (type(value), value.dtype, value.tobytes()) == (type(found), found.dtype, found.tobytes())


@pytest.mark.parametrize(
    "value",
    [
        numpy.array([object()]),
        numpy.zeros(1, [("a", "i4")]),
        numpy.ma.masked_array([1]),
        numpy.longdouble(1),
        numpy.void(b"a"),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.dtype}",
)
def test_arrays_of_more_than_plain_data_are_refused(value: Any) -> None:
    """Objects, structures, masks and numbers of another machine's size have no stored form."""
    with pytest.raises(EncodeError) as caught:
        dumps({"a": [value]})
    assert caught.value.path == "$.a[0]"


@pytest.mark.parametrize(
    "payload",
    [
        ["|O", [1], b"12345678"],
        ["<i8", [2], b"12345678"],
        ["<i8", [-1], b""],
        ["<i8", [True], b"12345678"],
        ["<i8", "ab", b""],
        ["<i8", [1] * 99, b"12345678"],
        ["<i8", [2**62, 2**62, 0], b""],
        ["|b1", [1], b"\2"],
        ["<U1", [1], b"\xff\xff\xff\x7f"],
        ["<U999999999", [0], b""],
        ["i8,i8", [1], bytes(16)],
        ["<i8", [1], "12345678"],
        [1, 2, 3],
        [],
    ],
    ids=repr,
)
def test_hostile_arrays_are_refused(payload: Any) -> None:
    """Sizes that do not agree, objects, broken bools and broken text are refused before numpy looks at them."""
    data = orjson.dumps({"$": "numpy.ndarray", "v": to_tree(payload)})
    with pytest.raises(DecodeError):
        loads(data)


def test_an_array_of_nothing_may_have_any_text_size() -> None:
    """No element, no memory: sizes that only look big are harmless."""
    data = orjson.dumps({"$": "numpy.ndarray", "v": to_tree(["<U9999999", [0], b""])})
    assert loads(data).shape == (0,)


@pytest.mark.parametrize(
    "tree",
    [
        {"$": 5},
        {"$": None, "v": 1},
        {"$": "tuple"},
        {"$": "tuple", "v": 1},
        {"$": "tuple", "v": [], "more": 1},
        {"$": "set", "v": [[]]},
        {"$": "dict", "v": [[[], 1]]},
        {"$": "dict", "v": [[1]]},
        {"$": "dict", "v": ["ab"]},
        {"$": "dict", "v": {"$": "tuple", "v": []}},
        {"$": "int", "v": "zz"},
        {"$": "int", "v": 1},
        {"$": "float", "v": "1.0"},
        {"$": "Fraction", "v": [1, 0]},
        {"$": "Fraction", "v": ["1", 2]},
        {"$": "complex", "v": [1, 2]},
        {"$": "bytes", "v": "a"},
        {"$": "bytes", "v": "é"},
        {"$": "UUID", "v": "x"},
        {"$": "Decimal", "v": "x"},
        {"$": "datetime", "v": "yesterday"},
        {"$": "datetime", "v": ["2026-01-01", 0, "UTC"]},
        {"$": "datetime", "v": ["2026-01-01", 7, None]},
        {"$": "timedelta", "v": [10**10, 0, 0]},
        {"$": "timezone", "v": [9, 0, 0, None]},
        {"$": "range", "v": [0, 1, 0]},
        {"$": "defaultdict", "v": ["eval", []]},
        {"$": "defaultdict", "v": [["list"], []]},
        {"$": "deque", "v": [-1, []]},
        {"$": "IPv4Address", "v": "x"},
        {"$": "object"},
        {"$": "object", "type": 1, "version": 1, "v": 1},
        {"$": "object", "type": "perdure.Send", "version": True, "v": 1},
        {"$": "object", "type": "perdure.Send", "version": 1, "v": {}, "more": 1},
        {"$": "exception", "v": {}},
        {"$": "exception", "v": {"type": 1, "message": ""}},
        {"$": "exception", "v": {"type": "UnicodeDecodeError", "message": "", "args": [1]}},
        {"$": "exception", "v": {"type": "ValueError", "message": "", "args": [], "notes": [1]}},
    ],
    ids=lambda tree: orjson.dumps(tree).decode().replace("[", "(").replace("]", ")")[:60],
)
def test_malformed_tags_are_refused(tree: Any) -> None:
    """A known tag around what is no payload of its own is a DecodeError, wherever it stands."""
    with pytest.raises(DecodeError):
        loads(orjson.dumps({"deep": [tree]}))
