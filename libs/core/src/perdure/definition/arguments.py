"""How the builder's arguments are read: names, policies, destinations, the ends of a branch."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from perdure.definition.blueprint import Names
from perdure.definition.callables import UserCallable, default_name
from perdure.errors import GraphDefinitionError
from perdure.types import END, INPUT, START, Command, RetryPolicy

Action: TypeAlias = Any
"""Code for a node or a branch: a function, method, partial, callable object, or object with `invoke`."""
PathMap: TypeAlias = Mapping[Hashable, str] | Sequence[str]

RESERVED: Final = (START, END, INPUT, "__copy__")
"""Names that mean something else in an edge or an update."""
SEPARATORS = "|:"
"""Characters of namespaces, so no node's name may contain them."""


def plain_name(name: str) -> str:
    """Return a name as exactly a str: a member of a str enum goes by its value."""
    if not isinstance(name, str):
        raise GraphDefinitionError(f"A node is named by text; found {type(name).__name__}: {name!r}.")
    return name if type(name) is str else str.__str__(name)


def node_name(name: str) -> str:
    """Return the name for a new node."""
    plain = plain_name(name)
    if not plain or plain in RESERVED or any(character in plain for character in SEPARATORS):
        raise GraphDefinitionError(
            f"{plain!r} cannot name a node: the name must not be empty, {START!r} or {END!r} (these are reserved, and"
            " '__input__' and '__copy__'), and must not contain '|' or ':'."
        )
    return plain


def target_name(name: str) -> str:
    """Return the name of a node in which an edge ends."""
    plain = plain_name(name)
    if plain == START:
        raise GraphDefinitionError("START begins a graph; no edge can end there.")
    return plain


def source_name(name: str) -> str:
    """Return the name of a node at which an edge starts."""
    plain = plain_name(name)
    if plain == END:
        raise GraphDefinitionError("END finishes a graph; no edge can start there.")
    return plain


def policies(name: str, given: RetryPolicy | Sequence[RetryPolicy] | None) -> tuple[RetryPolicy, ...]:
    """Return a node's retry policies, one or several given."""
    found: Sequence[RetryPolicy] = () if given is None else (given,) if isinstance(given, RetryPolicy) else given
    for policy in found:
        if not isinstance(policy, RetryPolicy):
            raise GraphDefinitionError(
                f"retry_policy of {name!r} must be a RetryPolicy or a list of them; found {type(policy).__name__}."
            )
    return tuple(found)


def labelled(destinations: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    """Return destinations with their labels ("" where none is given)."""
    if isinstance(destinations, Mapping):
        return {plain_name(target): label for target, label in destinations.items()}
    return {plain_name(target): "" for target in destinations}


def declared(returns: Any) -> tuple[str, ...]:
    """Return the nodes that a return annotation `Command[Literal[...]]` names, alone or in a union."""
    options = get_args(returns) if get_origin(returns) is Union else (returns,)
    for option in options:
        if get_origin(option) is Command:
            (inner,) = get_args(option)
            return get_args(inner) if get_origin(inner) is Literal else ()
    return ()


def branch_call(path: Action) -> UserCallable:
    """Inspect a branch's code; code without a name of its own goes by "condition"."""
    name = default_name(path) if hasattr(path, "__name__") or hasattr(path, "name") else "condition"
    return UserCallable.of(path, "condition" if name == "<lambda>" else name)


def branch_ends(path_map: PathMap | None, call: UserCallable) -> dict[Hashable, str] | None:
    """Return what a branch may return -> node, or None when it returns nodes."""
    if isinstance(path_map, Mapping):
        return {answer: plain_name(target) for answer, target in path_map.items()}
    if path_map is not None:
        return {target: plain_name(target) for target in path_map}
    if get_origin(call.returns) is Literal:
        return {target: plain_name(target) for target in get_args(call.returns)}
    return None


def names(given: Sequence[str] | Literal["*"] | None) -> Names:
    """Return the nodes at which runs are to stop."""
    if given is None:
        return frozenset()
    if isinstance(given, str):
        return "*" if given == "*" else frozenset({given})
    return frozenset(map(plain_name, given))
