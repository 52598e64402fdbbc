"""Laws of the value codec: what goes in comes out, and no bytes can do more than be refused."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import numpy
import orjson
import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perdure.codecs import Opaque, dumps, from_tree, loads, register_type, to_tree
from perdure.codecs.tags import BUILDERS
from perdure.errors import DecodeError, EncodeError
from tests.codec_values import JSON_TREES, VALUES, alike

RAN: list[str] = []
"""What user code has run since the list was last looked at."""


@dataclass
class Loud:
    """A dataclass whose every hook leaves a trace."""

    a: Any = None
    b: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        RAN.append("Loud.__post_init__")

    def __setstate__(self, state: Any) -> None:
        RAN.append("Loud.__setstate__")

    def __setattr__(self, name: str, value: Any) -> None:
        RAN.append("Loud.__setattr__")
        object.__setattr__(self, name, value)


class LoudModel(pydantic.BaseModel):
    a: Any = None
    b: int = 0

    @pydantic.field_validator("b")
    @classmethod
    def check_b(cls, value: int) -> int:
        RAN.append("LoudModel.check_b")
        return value

    def model_post_init(self, context: Any, /) -> None:
        RAN.append("LoudModel.model_post_init")

    def __init__(self, **values: Any) -> None:
        RAN.append("LoudModel.__init__")
        super().__init__(**values)


class LoudPair(NamedTuple):
    a: Any
    b: Any = 1


class LoudError(Exception):
    def __init__(self, *args: Any) -> None:
        RAN.append("LoudError.__init__")
        super().__init__(*args)


class Colour(Enum):
    RED = 1
    BLUE = 2


for _cls in (Loud, LoudModel, LoudPair, LoudError, Colour):
    register_type(_cls, name=f"law.{_cls.__name__}")

INSTANCES = st.one_of(
    st.builds(Loud, VALUES, st.lists(VALUES, max_size=2)),
    st.builds(LoudModel, a=VALUES, b=st.integers()),
    st.builds(LoudPair, VALUES, VALUES),
    st.sampled_from(Colour),
)

TREES_WITH_TAGS = st.recursive(
    JSON_TREES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$": st.sampled_from(sorted(BUILDERS)) | st.text(max_size=3), "v": inner}),
        st.fixed_dictionaries(
            {
                "$": st.just("object"),
                "type": st.sampled_from(["law.Loud", "law.LoudModel", "law.LoudPair", "law.Colour", "os.system", ""]),
                "version": st.integers(-1, 2),
                "v": st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | inner,
            },
            optional={
                "x": inner | st.fixed_dictionaries({}, optional={"extra": inner, "set": inner, "private": inner})
            },
        ),
        st.fixed_dictionaries(
            {
                "$": st.just("exception"),
                "v": st.fixed_dictionaries(
                    {
                        "type": st.sampled_from(["ValueError", "OSError", "law.LoudError", "SystemExit", "os.system"]),
                        "message": st.text(max_size=3) | inner,
                    },
                    optional={"args": inner, "notes": inner, "state": inner, "version": inner},
                ),
            }
        ),
        st.fixed_dictionaries(
            {
                "$": st.sampled_from(["numpy.ndarray", "numpy.generic"]),
                "v": st.tuples(
                    st.sampled_from(["<i8", "|b1", "<U2", "|O", "|V8", "<U99999999", "os", "<M8[ns]"]),
                    st.lists(st.integers(-1, 3), max_size=3),
                    st.binary(max_size=16).map(to_tree),
                ).map(list),
            }
        ),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


def read(data: bytes) -> Any:
    """Return what hostile bytes are read as, or the DecodeError; check that nothing else happened."""
    modules = set(sys.modules)
    RAN.clear()
    try:
        value = loads(data)
    except DecodeError as exc:
        value = exc
    assert RAN == []
    assert set(sys.modules) - modules == set()
    return value


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Read one of each kind that loads its own library at first use, so that later imports stand out."""
    loads(dumps([numpy.arange(3), numpy.float32(1)]))
    with pytest.raises(DecodeError):
        loads(b'{"$":"ZoneInfo","v":"No/Where"}')


@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    """Decoding what was encoded gives an equal value of exactly the same types."""
    assert alike(value, loads(dumps(value)))


@given(VALUES)
def test_encoding_again_gives_the_same_bytes(value: Any) -> None:
    """A value that was read encodes to the bytes that it was read from."""
    data = dumps(value)
    assert data == dumps(loads(data))


@given(st.lists(INSTANCES, max_size=3))
def test_registered_types_come_back_without_their_constructors(value: list[Any]) -> None:
    """Instances of registered types come back equal, and none of their code runs."""
    data = dumps(value)
    found = read(data)
    assert [type(item) for item in value] == [type(item) for item in found]
    assert data == dumps(found)


@given(VALUES)
def test_trees_hold_nothing_but_json(value: Any) -> None:
    """What `to_tree` returns is written and read by orjson without a change."""
    tree = to_tree(value)
    assert orjson.loads(orjson.dumps(tree)) == tree


@given(JSON_TREES)
def test_plain_json_is_stored_as_itself(tree: Any) -> None:
    """A value that is JSON already, and does not look like a tag, has no tag."""
    if b'"$"' not in orjson.dumps(tree):
        assert orjson.dumps(tree) == dumps(tree)


@given(JSON_TREES | TREES_WITH_TAGS)
def test_data_that_looks_like_a_tag_stays_data(tree: Any) -> None:
    """A user's dict that reads like a tag, of whatever kind, comes back as that dict."""
    assert alike(tree, loads(dumps(tree)))


@given(st.binary(max_size=64))
@example(b"[" * 100_000)
@example(b'{"a":' * 1_000 + b"1" + b"}" * 1_000)
@example(b'{"$":"tuple","v":[' * 300 + b"]}" * 300)
@example(b'{"$":"later","v":[' * 300 + b"]}" * 300)
def test_random_bytes_are_data_or_refused(data: bytes) -> None:
    """Any bytes are read as a value or refused with a DecodeError."""
    read(data)


@given(TREES_WITH_TAGS)
@settings(max_examples=400)
def test_hostile_trees_are_data_or_refused(tree: Any) -> None:
    """Any JSON, tags among it, is read as a value or refused; nothing is imported, no user code runs."""
    read(orjson.dumps(tree))


@given(st.data(), VALUES)
def test_damaged_bytes_are_data_or_refused(data: st.DataObject, value: Any) -> None:
    """Bytes of ours with one of them changed, cut or doubled are read as a value or refused."""
    stored = dumps(value)
    at = data.draw(st.integers(0, len(stored) - 1))
    byte = data.draw(st.binary(max_size=2))
    read(stored[:at] + byte + stored[at + 1 :])


@given(TREES_WITH_TAGS)
def test_what_was_read_can_be_stored_again(tree: Any) -> None:
    """A value read from hostile bytes can be encoded, or is refused with an EncodeError."""
    value = read(orjson.dumps(tree))
    if not isinstance(value, DecodeError):
        with suppress(EncodeError):
            data = dumps(value)
            assert data == dumps(loads(data))


@given(st.text(max_size=4).map("later.".__add__), JSON_TREES, JSON_TREES)
def test_an_unknown_tag_is_kept_to_the_byte(tag: str, payload: Any, more: Any) -> None:
    """An unknown tag becomes Opaque, shows, and encodes to exactly the tree it came from."""
    tree = {"$": tag, "v": payload, "more": more}
    value = from_tree(tree)
    assert Opaque(tag, tree) == value
    assert hash(Opaque(tag, tree)) == hash(value)
    assert orjson.dumps([tree]) == dumps([value])


@given(st.sets(st.integers() | st.text(max_size=4) | st.tuples(st.integers(), st.text(max_size=2)), max_size=8))
def test_equal_sets_have_equal_bytes(value: set[Any]) -> None:
    """The order in which a set was filled, or is iterated, does not show in its bytes."""
    again: set[Any] = set()
    for item in sorted(value, key=repr, reverse=True):
        again.add(item)
    assert dumps(value) == dumps(again)
