"""Signals that steer a run. `BaseException`s, so that a node's `except Exception` cannot swallow them."""

from collections.abc import Sequence

from perdure.types import Command, Interrupt


class GraphBubbleUp(BaseException):
    """Unwinds node code up to the engine."""


class GraphInterrupt(GraphBubbleUp):
    """A node (or a graph called in it) waits for an answer.

    `interrupts` holds the questions asked here; it is empty where an inner graph has recorded them already.
    """

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(interrupts)
        self.interrupts = tuple(interrupts)


class ParentCommand(GraphBubbleUp):
    """A node hands a command to the graph around its own."""

    def __init__(self, command: Command[str]) -> None:
        super().__init__(command)
        self.command = command


class RunCancelled(GraphBubbleUp):
    """The run was cancelled from outside: its stream was closed, or its asyncio task cancelled."""
