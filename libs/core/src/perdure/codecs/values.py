"""The value codec's four doors: values to and from trees, and to and from bytes (JSON text, UTF-8).

Raises `EncodeError` with the path of what cannot be stored, `DecodeError` for bytes that are no value of ours, and
nothing else.
"""

import orjson

from perdure.codecs.decode import decode
from perdure.codecs.encode import encode
from perdure.codecs.tree import FAILURES, JsonTree, blame
from perdure.errors import DecodeError
from perdure.events import Value


def to_tree(value: Value, path: str = "$") -> JsonTree:
    """Return `value` as dicts, lists, text, numbers, booleans and None that JSON holds exactly.

    The tree shares no container with the value. `path` is where the value stands, for the error.

    Raises:
        EncodeError: Something in it cannot be stored; the error's `path` says where it stands.
    """
    try:
        return encode(value, 0)
    except FAILURES as exc:
        raise blame(exc, "", value).error(path) from exc.__cause__


def from_tree(tree: JsonTree) -> Value:
    """Return the value that `to_tree` made this tree of; new containers throughout.

    Raises:
        DecodeError: The tree is none that `to_tree` makes.
    """
    try:
        return decode(tree, 0)
    except RecursionError:
        raise DecodeError("A stored value is nested deeper than this thread's stack allows.") from None


def dumps(value: Value) -> bytes:
    """Return `value` as JSON text; equal bytes for equal values of equal order (sets have none).

    Raises:
        EncodeError: Something in it cannot be stored; the error's `path` says where it stands.
    """
    return orjson.dumps(to_tree(value))


def loads(data: bytes) -> Value:
    """Return the value that `dumps` made these bytes of.

    Raises:
        DecodeError: The bytes are none that `dumps` makes.
    """
    try:
        tree: JsonTree = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise DecodeError(f"The stored bytes are no JSON: {exc}") from exc
    return from_tree(tree)
