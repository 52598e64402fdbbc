"""The library's own types that may stand in a state, an input or an answer, under names that no refactoring moves."""

from perdure.codecs.registry import register_type
from perdure.events import Value
from perdure.types import NO_ANSWER, Command, Interrupt, NoAnswer, Overwrite, Send


def _nothing(_: NoAnswer) -> None:
    return None


def _no_answer(_: Value) -> NoAnswer:
    return NO_ANSWER


def register_own_types() -> None:
    """Register `Send`, `Command`, `Interrupt`, `Overwrite` and the sentinel inside a `Command`."""
    for cls in (Send, Command, Interrupt, Overwrite):
        register_type(cls, name=f"perdure.{cls.__name__}")
    register_type(NoAnswer, name="perdure.NoAnswer", encode=_nothing, decode=_no_answer)


register_own_types()
