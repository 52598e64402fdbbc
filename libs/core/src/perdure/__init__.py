"""perdure: durable graphs and workflows on one append-only log of events."""

from perdure.codecs import register_type
from perdure.graph import CompiledGraph, StateGraph
from perdure.ports import Saver
from perdure.saver_urls import open_saver
from perdure.types import END, START, Command, Interrupt, Overwrite, RetryPolicy, Send, StateSnapshot, interrupt

__all__ = [
    "END",
    "START",
    "Command",
    "CompiledGraph",
    "Interrupt",
    "Overwrite",
    "RetryPolicy",
    "Saver",
    "Send",
    "StateGraph",
    "StateSnapshot",
    "interrupt",
    "open_saver",
    "register_type",
]
