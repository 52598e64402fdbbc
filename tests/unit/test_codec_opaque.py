"""What this process does not know is kept as it is: it shows, compares, and is stored again to the byte."""

import copy
import dataclasses
import pickle
import sys
from dataclasses import dataclass
from typing import Any

import numpy
import orjson
import pytest

from perdure.codecs import JsonTree, Opaque, dumps, loads, register_type, to_tree
from perdure.codecs import registry as table
from perdure.errors import EncodeError


def test_an_unregistered_type_is_read_as_opaque() -> None:
    """Data of a type that this process does not know shows, and encodes again to the same bytes."""

    @register_type
    @dataclass(frozen=True)
    class Gone:
        a: Any

    data = dumps({"x": [Gone((1, b"2"))], "in set": {Gone(1)}})
    table._by_name.pop(f"{__name__}.test_an_unregistered_type_is_read_as_opaque.<locals>.Gone")
    found = loads(data)
    opaque = found["x"][0]
    assert type(opaque) is Opaque
    assert opaque.type_name is not None
    assert opaque.type_name.endswith("Gone")
    assert "Gone" in repr(opaque)
    assert data == dumps(found)


def test_opaque_is_a_frozen_value() -> None:
    """It compares and hashes by its bytes, can be copied and pickled, and cannot be changed."""
    tree: JsonTree = {"$": "later", "v": [1, {"a": 1.0}]}
    value = Opaque("later", tree)
    assert value == Opaque("later", copy.deepcopy(tree)) == copy.copy(value) == pickle.loads(pickle.dumps(value))
    assert value != Opaque("later", {"$": "later", "v": [True, {"a": 1}]})
    assert {value: 1}[Opaque("later", tree)] == 1
    value.tree["v"] = 2  # type: ignore[index, call-overload]
    assert value.tree == tree
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.tag = "other"  # type: ignore[misc]
    assert repr(value) == 'Opaque(later: {"$":"later","v":[1,{"a":1.0}]})'
    assert len(repr(Opaque("later", {"$": "later", "v": "x" * 10_000}))) < 200


def test_opaque_moved_too_deep_is_an_encode_error() -> None:
    """What was read at one depth may be put where it no longer fits."""
    value: Any = loads(orjson.dumps({"$": "later", "v": to_tree(_nested(150))}))
    assert type(value) is Opaque
    for _ in range(100):
        value = [value]
    with pytest.raises(EncodeError, match="too deep"):
        dumps(value)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_an_array_is_opaque_where_numpy_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without numpy shows an array and hands it on."""
    data = dumps([numpy.arange(2), numpy.int8(1)])
    monkeypatch.setitem(sys.modules, "numpy", None)
    found = loads(data)
    assert [type(item) for item in found] == [Opaque, Opaque]
    assert data == dumps(found)
