"""A state's shape: which channel each key is, what a node gets to see, and how updates become writes."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, NotRequired, Optional, Required, TypedDict, TypeVar

import pytest
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import ReadOnly

from perdure.channels import BinaryOperatorAggregate, Channel, EphemeralValue, LastValue, Topic
from perdure.codecs import dumps, loads
from perdure.definition.schema import Schema, is_structured
from perdure.definition.updates import Accepts
from perdure.errors import GraphDefinitionError, InvalidUpdateError, UsageError
from perdure.managed import IsLastStep, IsLastStepManager, RemainingSteps, RemainingStepsManager


def keep_last(left: Any, right: Any) -> Any:
    return right


class Base(TypedDict):
    plain: int
    later: "Later"


class Later(TypedDict):
    x: int


SHARED = Topic(int)


class State(Base, total=False):
    total: Annotated[int, operator.add]
    log: Required[Annotated[list[str], "doc", operator.add]]
    wrapped: Annotated[NotRequired[list[str]], operator.add]
    frozen: ReadOnly[Annotated[int, operator.add]]
    described: Annotated[list[str], operator.add, Field(description="reducers need not come last")]
    largest: Annotated[int, max]
    once: Annotated[int, EphemeralValue, "doc"]
    topic: Annotated[list[int], SHARED]
    other: Annotated[list[int], SHARED]
    noted: Annotated[int, "nothing to do with channels", {"a": 1}]
    maybe: Optional[int]  # noqa: UP045 -- both spellings are read
    last: IsLastStep
    left: NotRequired[RemainingSteps]


class Model(BaseModel):
    a: int = 0
    b: int | None = None
    c: Annotated[list[int], operator.add] = []
    d: int | None = 4


@dataclass
class Data:
    a: int = 0
    b: int | None = None
    shared: ClassVar[int] = 3
    derived: int = field(init=False, default=1)


class Plain:
    a: int
    shared: ClassVar[int] = 3
    b: Annotated[list[int], operator.add]


class Row(NamedTuple):
    a: int = 4
    b: int | None = None


T = TypeVar("T")


class Generically(TypedDict, Generic[T]):
    item: T
    log: Annotated[list[T], operator.add]


def shape(**keys: Any) -> type:
    return type("Shape", (), {"__annotations__": keys})


def kinds(annotation: Any) -> dict[str, str]:
    return {key: type(channel).__name__ for key, channel in Schema(annotation).channels.items()}


def test_every_key_becomes_a_channel() -> None:
    """Wrappers, extras, forward references and inheritance do not matter; computed keys are no channels."""
    reduced, plain = "BinaryOperatorAggregate", "LastValue"
    assert kinds(State) == {
        "plain": plain,
        "later": plain,
        "total": reduced,
        "log": reduced,
        "wrapped": reduced,
        "frozen": reduced,
        "described": reduced,
        "largest": reduced,
        "once": "EphemeralValue",
        "topic": "Topic",
        "other": "Topic",
        "noted": plain,
        "maybe": plain,
    }
    assert Schema(State).keys == tuple(kinds(State))
    assert Schema(State).managed == {"last": IsLastStepManager, "left": RemainingStepsManager}


def test_channels_know_their_key_and_type() -> None:
    """An instance that stands in an annotation serves several keys, and is not changed itself."""
    channels = Schema(State).channels
    assert [channel.key for channel in channels.values()] == list(channels)
    assert channels["once"].typ is int
    assert channels["log"].typ == list[str]
    assert SHARED.key == ""


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Model, {"a": "LastValue", "b": "LastValue", "c": "BinaryOperatorAggregate", "d": "LastValue"}),
        (Data, {"a": "LastValue", "b": "LastValue", "derived": "LastValue"}),
        (Plain, {"a": "LastValue", "b": "BinaryOperatorAggregate"}),
        (Row, {"a": "LastValue", "b": "LastValue"}),
        (Generically, {"item": "LastValue", "log": "BinaryOperatorAggregate"}),
        (Generically[int], {"item": "LastValue", "log": "BinaryOperatorAggregate"}),
        (int, {"__root__": "LastValue"}),
        (list[int], {"__root__": "LastValue"}),
        (Annotated[list[int], operator.add], {"__root__": "BinaryOperatorAggregate"}),
    ],
)
def test_any_annotation_is_a_schema(annotation: Any, expected: dict[str, str]) -> None:
    """Classes with annotated fields have keys, anything else is one value."""
    assert kinds(annotation) == expected


def one_argument(a: Any) -> Any:
    return a


def three_arguments(a: Any, b: Any, c: Any = None) -> Any:
    return a


def by_name(*, a: Any, b: Any) -> Any:
    return a


@pytest.mark.parametrize("reducer", [one_argument, three_arguments, by_name, lambda *both: both])
def test_a_reducer_takes_two(reducer: Callable[..., Any]) -> None:
    """The complaint names the key and shows what was found."""
    with pytest.raises(GraphDefinitionError, match=r"'x'.*Invalid reducer signature. Expected \(a, b\) -> c. Got \("):
        Schema(shape(x=Annotated[int, reducer]))


def test_other_callables_before_the_last_are_extras() -> None:
    """Only the last entry must fit when it is callable."""
    assert kinds(shape(x=Annotated[int, one_argument, str, "doc"])) == {"x": "LastValue"}


def test_a_channel_class_that_needs_more_is_refused() -> None:
    """The mend: annotate with an instance."""
    with pytest.raises(GraphDefinitionError, match="'x': BinaryOperatorAggregate needs more than a type"):
        Schema(shape(x=Annotated[int, BinaryOperatorAggregate]))


def test_an_annotation_that_cannot_be_found_is_named() -> None:
    """The complaint says which name."""
    with pytest.raises(GraphDefinitionError, match="'Nowhere'"):
        Schema(shape(x="Nowhere"))


def test_a_computed_value_is_no_state_of_its_own() -> None:
    """It can only be a key."""
    with pytest.raises(GraphDefinitionError, match="key of a state"):
        Schema(RemainingSteps)


def test_what_counts_as_a_state() -> None:
    """A first parameter with such an annotation declares what a node sees."""
    assert [is_structured(one) for one in (State, Model, Data, Plain, Row)] == [True] * 5
    assert [is_structured(one) for one in (dict, int, list[int], None, Any, "State")] == [False] * 6


def test_nodes_see_their_schema() -> None:
    """TypedDicts stay as they are; dataclasses and models are built, defaults fill what the state does not have."""
    values = {"a": 5}
    assert Schema(State).coerce(values) is values
    assert Schema(Plain).coerce(values) is values
    assert Schema(Model).coerce({"a": "5", "zzz": 1}) == Model(a=5)
    assert Schema(Data).coerce({"a": 5, "derived": 7}) == Data(a=5)
    assert Schema(int).coerce({"__root__": 5}) == 5
    assert Schema(int).coerce({}) is None


def test_what_a_model_refuses_is_told_as_it_is() -> None:
    """The model's own error goes through."""
    with pytest.raises(ValidationError, match="valid integer"):
        Schema(Model).coerce({"a": "five"})


@pytest.mark.parametrize(
    ("annotation", "update", "expected"),
    [
        (State, None, []),
        (State, {"plain": 1, "total": 2}, [("plain", 1), ("total", 2)]),
        (State, {"plain": 1, "left": 3}, [("plain", 1)]),
        (Model, Model(a=0), [("a", 0), ("c", []), ("d", 4)]),
        (Model, Model(b=None), [("a", 0), ("b", None), ("c", []), ("d", 4)]),
        (Model, Model(d=None), [("a", 0), ("c", []), ("d", None)]),
        (Data, Data(a=1), [("a", 1), ("b", None), ("derived", 1)]),
        (Model, Row(), [("a", 4), ("b", None)]),
        (int, 5, [("__root__", 5)]),
        (dict, {"any": 1}, [("__root__", {"any": 1})]),
        (int, None, []),
    ],
)
def test_updates_become_writes(annotation: Any, update: Any, expected: list[tuple[str, Any]]) -> None:
    """A model's None counts only where it was given or replaces another default."""
    assert Schema(annotation).writes(update) == expected


def test_an_unknown_key_is_refused_with_a_guess() -> None:
    """It is named, with what is close and what there is."""
    with pytest.raises(InvalidUpdateError, match=r"unknown key 'lgo' \(did you mean 'log'\?\). The state has .*log"):
        Schema(Generically).writes({"item": 1, "lgo": []})
    with pytest.raises(InvalidUpdateError, match="unknown keys 'c', 'd'"):
        Schema(Row).writes(Model())


@pytest.mark.parametrize("update", [3, "text", [{"a": 1}], object(), [("a", 1)]])
def test_an_update_is_a_dict_or_has_fields(update: Any) -> None:
    """Anything else is shown as it was found."""
    with pytest.raises(InvalidUpdateError, match=f"must be a dict.*found {type(update).__name__}"):
        Schema(Model).writes(update)


ACCEPTS = Accepts(frozenset({"a"}), frozenset({"left"}), "The graph's input", UsageError)


def test_unknown_keys_can_be_dropped() -> None:
    """For one update (a state handed to another graph), or always."""
    always = Accepts(ACCEPTS.keys, ACCEPTS.ignored, ACCEPTS.subject, ACCEPTS.error, drops=True)
    assert ACCEPTS.pairs({"a": 1, "x": 2, "left": 3}, drop=True) == [("a", 1)]
    assert always.pairs({"a": 1, "x": 2}) == [("a", 1)]
    with pytest.raises(UsageError, match="The graph's input has the unknown key 'x'"):
        ACCEPTS.pairs({"a": 1, "x": 2})


def test_a_command_may_list_its_writes() -> None:
    """So that one key can be written twice."""
    assert ACCEPTS.command_pairs([("a", 1), ("a", 2)]) == [("a", 1), ("a", 2)]
    assert ACCEPTS.command_pairs({"a": 1}) == [("a", 1)]
    assert Schema(int)._accepts.command_pairs([("a", 1)]) == [("__root__", [("a", 1)])]
    with pytest.raises(UsageError, match="'x'"):
        ACCEPTS.command_pairs([("x", 1)])


@dataclass
class Registered:
    n: int


def test_registering_lets_the_codec_rebuild_what_a_schema_mentions() -> None:
    """Types of the state come back as themselves."""
    Schema(shape(one=list[Registered])).register()
    assert loads(dumps([Registered(3)])) == [Registered(3)]


def test_a_schema_is_named_in_messages() -> None:
    """By its class, or as it was written."""
    assert [Schema(State).name, Schema(list[int] | None).name] == ["State", "list[int] | None"]


def test_computed_values_count_supersteps() -> None:
    """The last step is the one before the stop."""
    assert [IsLastStepManager.read(step, 3) for step in (1, 2)] == [False, True]
    assert [RemainingStepsManager.read(step, 3) for step in (1, 2)] == [2, 1]


def test_channels_are_of_known_kinds() -> None:
    """What a schema makes is what the engine reads."""
    assert all(isinstance(channel, Channel) for channel in Schema(State).channels.values())
    assert Schema(State).channels["plain"] == LastValue(int)
