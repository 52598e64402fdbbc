"""User code, inspected once: how to call it in either world, and what it wants beside its input.

What the engine offers (`config`, `writer`, `runtime`, …) is passed by parameter name, where the annotation agrees.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, isroutine, signature
from types import SimpleNamespace
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from perdure.errors import GraphDefinitionError
from perdure.types import StreamWriter

Code: TypeAlias = Callable[..., Any]

_EMPTY: Final = Parameter.empty
_BY_NAME: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)

_TYPE_NAMES: Final[Mapping[str, str | None]] = {
    "config": "RunnableConfig",
    "writer": "StreamWriter",
    "store": "BaseStore",
    "error": "NodeError",
    "previous": None,
    "runtime": None,
}
"""What can be injected → the name of the type its annotation must mention; None: any."""


@dataclass(frozen=True, slots=True)
class UserCallable:
    """A function, method, partial, callable object or object with `invoke`, ready to be called with one input."""

    name: str
    target: Any
    """What the user passed."""
    sync: Code | None
    async_: Code | None
    injects: frozenset[str]
    """Names among config, writer, runtime, store, previous, error."""
    takes: Any = None
    """The annotation of the input; None when there is none, or it cannot be resolved."""
    returns: Any = None

    @classmethod
    def of(cls, target: Any, name: str | None = None, *, free: bool = False) -> "UserCallable":
        """Inspect `target`.

        Args:
            target: The user's code.
            name: Its name; taken from the code when left out.
            free: The caller passes arguments of its own, so the parameters are not checked.

        Raises GraphDefinitionError when this cannot be called with one input.
        """
        name = name or default_name(target)
        if is_runnable(target):
            return cls(name, target, target.invoke, getattr(target, "ainvoke", None), frozenset({"config"}))
        if not callable(target):
            raise GraphDefinitionError(
                f"{name!r} is no code that can be called, but {type(target).__name__}."
                " Pass a function, or an object with __call__ or invoke."
            )
        code = target if isroutine(target) or isinstance(target, (partial, type)) else target.__call__
        if isgeneratorfunction(code) or isasyncgenfunction(code):
            raise GraphDefinitionError(
                f"{name!r} is a generator function. Return the update instead; to stream from inside, take a"
                " parameter `writer` and call it."
            )
        injects, first = _parameters(name, code, free)
        waits = iscoroutinefunction(code)
        return cls(
            name,
            target,
            None if waits else target,
            target if waits else None,
            injects,
            _hint(code, first) if first else None,
            _hint(code, "return"),
        )


def default_name(target: Any) -> str:
    """Return the name that code goes by: its own `name` or `__name__`, else its class's."""
    if is_runnable(target):
        named = target.get_name() if callable(getattr(target, "get_name", None)) else getattr(target, "name", None)
        if isinstance(named, str) and named:
            return named
    name = getattr(target, "__name__", None)
    return name if isinstance(name, str) else type(target).__name__


def is_runnable(target: Any) -> bool:
    """Tell whether this is called through `invoke(input, config)`: a compiled graph, a LangChain runnable."""
    if isroutine(target) or isinstance(target, type) or not callable(getattr(target, "invoke", None)):
        return False
    return callable(getattr(target, "ainvoke", None)) or not callable(target)


def _parameters(name: str, code: Code, free: bool) -> tuple[frozenset[str], str | None]:
    """Return what to inject, and the name of the parameter that takes the input."""
    try:
        found = list(signature(code).parameters.values())
    except (ValueError, TypeError):  # a builtin that does not tell
        return frozenset(), None
    if free:
        return frozenset(one.name for one in found if _injectable(one)), None
    if not found or found[0].kind not in _POSITIONAL:
        raise GraphDefinitionError(
            f"{name!r} takes no positional argument, so it cannot be given the state. Declare it as"
            f" `def {name}(state): ...`."
        )
    bound = code.keywords if isinstance(code, partial) else {}
    injects = frozenset(one.name for one in found[1:] if one.name not in bound and _injectable(one))
    for one in found[1:]:
        if one.default is _EMPTY and one.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            _check_filled(name, one, injects)
    return injects, found[0].name


def _check_filled(name: str, parameter: Parameter, injects: frozenset[str]) -> None:
    if parameter.name in injects:
        return
    wanted = _TYPE_NAMES.get(parameter.name)
    mend = (
        f"Annotate it as {wanted}."
        if wanted and parameter.kind in _BY_NAME
        else f"Give it a default, bind it with functools.partial, or name one of {', '.join(sorted(_TYPE_NAMES))}."
    )
    raise GraphDefinitionError(f"{name!r} requires the argument {parameter.name!r}, which nothing supplies. {mend}")


def _injectable(parameter: Parameter) -> bool:
    if parameter.name not in _TYPE_NAMES or parameter.kind not in _BY_NAME:
        return False
    wanted, annotation = _TYPE_NAMES[parameter.name], parameter.annotation
    if wanted is None:
        return True
    if annotation is _EMPTY:
        return parameter.name != "error"  # a common name: injected only when its type says so
    if isinstance(annotation, str):
        return wanted in re.findall(r"\w+", annotation)
    parts = (annotation, *get_args(annotation))
    return any(getattr(part, "__name__", None) == wanted for part in parts) or (
        wanted == "StreamWriter" and StreamWriter in parts
    )


def _hint(code: Code, name: str) -> Any:
    """Return one resolved annotation of a function; None when it has none or it names something unknown."""
    function = code.func if isinstance(code, partial) else code
    function = getattr(function, "__func__", function)
    if isinstance(function, type):
        return None
    try:
        only = {name: function.__annotations__[name]}
        return get_type_hints(SimpleNamespace(__annotations__=only), globalns=function.__globals__)[name]
    except (AttributeError, KeyError, NameError, TypeError, SyntaxError):
        return None
