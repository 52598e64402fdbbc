"""numpy arrays and scalars as payloads, without importing numpy before it is needed.

Writing looks only at a numpy that the application has imported; reading imports numpy by its fixed name when a tag says
so. Plain dtypes only (numbers, bool, text, bytes, times): never `object`, never a structure.
"""

import re
import sys
from math import prod
from typing import Final

from perdure.codecs.tree import UnstorableError
from perdure.events import Value

ARRAY: Final = "numpy.ndarray"
SCALAR: Final = "numpy.generic"

_UNIT = r"\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]"
_PLAIN = re.compile(rf"[<>|](b1|[iu][1248]|f[248]|c8|c16|[SU]\d{{1,8}}|[mM]8({_UNIT})?)")


def take_array(value: Value) -> tuple[str, Value] | None:
    """Return (tag, payload) for a numpy array or scalar; None when `value` is neither."""
    numpy: Value = sys.modules.get("numpy")
    # While another thread is importing it, numpy is there and empty.
    if not hasattr(numpy, "ndarray"):
        return None
    if type(value) in (numpy.str_, numpy.bytes_):
        # Neither the buffer of a text scalar nor `item` tells its trailing NULs from padding; joining copies them.
        return SCALAR, [type(value).__name__, ("" if type(value) is numpy.str_ else b"").join((value,))]
    if type(value) is numpy.ndarray:
        return ARRAY, [_plain(value), list(value.shape), value.tobytes()]
    if isinstance(value, numpy.generic):
        return SCALAR, [_plain(value), value.tobytes()]
    return None


def _plain(value: Value) -> str:
    name = str(value.dtype.str)
    if not _PLAIN.fullmatch(name):
        raise UnstorableError(
            f"has dtype {value.dtype}: only plain numbers, bool, text and times can be stored.", value
        )
    return name


def can_read() -> bool:
    """Tell whether numpy is installed."""
    try:
        import numpy  # noqa: F401, PLC0415  optional, and needed only now
    except ImportError:
        return False
    return True


def build_array(payload: Value) -> Value:
    """Return a writable array of its own memory; raise ValueError when size, dtype and data do not agree."""
    name, shape, data = payload
    if type(shape) is not list or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError(f"{shape!r} is no shape")
    return _view(name, shape, data).copy()


def build_scalar(payload: Value) -> Value:
    """Return the scalar; raise ValueError when dtype and data do not agree."""
    name, data = payload
    if name in ("str_", "bytes_"):
        if type(data) is not (str if name == "str_" else bytes):
            raise ValueError(f"{data!r} is no {name}")
        import numpy  # noqa: PLC0415  optional, and needed only now

        return numpy.str_(data) if name == "str_" else numpy.bytes_(data)
    return _view(name, [], data)[()]


def _view(name: str, shape: list[int], data: bytes) -> Value:
    if not _PLAIN.fullmatch(name) or type(data) is not bytes:
        raise ValueError(f"{name!r} is no plain dtype with bytes")
    import numpy  # noqa: PLC0415  optional, and needed only now

    dtype = numpy.dtype(name)
    if dtype.itemsize * prod(shape) != len(data):
        raise ValueError(f"{len(data)} bytes are no array of shape {shape} and dtype {name}")
    _check_content(numpy, dtype, data)
    return numpy.ndarray(shape, dtype, buffer=data)


def _check_content(numpy: Value, dtype: Value, data: bytes) -> None:
    """Refuse bytes that are no bool or no code point: numpy would hand them on unchecked."""
    if dtype.kind == "b" and data.strip(b"\0\1") != b"":
        raise ValueError("a bool is 0 or 1")
    if dtype.kind == "U" and data and numpy.frombuffer(data, f"{dtype.str[0]}u4").max() > sys.maxunicode:
        raise ValueError("no such code point")
