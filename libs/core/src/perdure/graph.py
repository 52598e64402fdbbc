"""`StateGraph`: write a graph down, then `compile` it with a saver."""

from collections.abc import Sequence
from typing import Any, Literal

from perdure.app import CompiledGraph
from perdure.call import Settings
from perdure.definition.builder import GraphBuilder
from perdure.errors import GraphDefinitionError
from perdure.ports import Saver
from perdure.types import END, START

__all__ = ["END", "START", "CompiledGraph", "StateGraph"]


class StateGraph(GraphBuilder):
    """A graph whose nodes read and write a shared state.

    Example:
        >>> class State(TypedDict):
        ...     text: str
        >>> builder = StateGraph(State)
        >>> builder.add_node("shout", lambda state: {"text": state["text"].upper()})
        >>> builder.add_edge(START, "shout")
        >>> graph = builder.compile()
    """

    def compile(  # noqa: PLR0913 -- the shape of the API that users know
        self,
        checkpointer: Saver | bool | None = None,
        *,
        store: Any = None,
        interrupt_before: Sequence[str] | Literal["*"] | None = None,
        interrupt_after: Sequence[str] | Literal["*"] | None = None,
        name: str | None = None,
        warm: bool = True,
        strict_state: bool = False,
    ) -> CompiledGraph:
        """Check the graph and freeze it.

        Args:
            checkpointer: Where threads are kept. None: nowhere (inside another graph: where that one's are). For a
                graph inside another also True: it remembers from call to call, and False: it keeps nothing.
            store: Handed to nodes that ask for it.
            interrupt_before: Nodes before which every run stops.
            interrupt_after: Nodes after which every run stops.
            name: Shown in the log.
            warm: Keep recent projections in memory, so that a turn of a long thread costs as much as its first.
            strict_state: Development: after each step compare the state with one rebuilt from the log, and raise
                MutatedStateError where a node changed state in place. `PERDURE_STRICT_STATE=1` turns it on everywhere.

        Raises GraphDefinitionError with every mistake found.
        """
        if checkpointer is not None and not isinstance(checkpointer, Saver | bool):
            raise GraphDefinitionError(
                f"Invalid checkpointer provided: expected a saver, True, False or None, found"
                f" {type(checkpointer).__name__}. Open one with perdure.open_saver(url)."
            )
        blueprint = self.blueprint(name=name, interrupt_before=interrupt_before, interrupt_after=interrupt_after)
        settings = Settings(saver=checkpointer, store=store, warm=warm, strict=strict_state)
        return CompiledGraph(blueprint, settings, self)
