"""The frozen result of compiling a graph: what runs, in which order, on which channels. Plain data.

Built by `GraphBuilder.blueprint`; read by the rules and the engine. Nobody changes it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import orjson

from perdure.channels import Channel
from perdure.definition.callables import UserCallable
from perdure.definition.schema import Schema
from perdure.definition.updates import Accepts
from perdure.events import Value
from perdure.managed import ManagedValue
from perdure.types import RetryPolicy

Names: TypeAlias = frozenset[str] | Literal["*"]
"""Some nodes, or all."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node: its code, the state it sees, and how it is run."""

    name: str
    call: UserCallable
    schema: Schema
    retry: tuple[RetryPolicy, ...] = ()
    """Tried in order; the first that fits an error counts."""
    metadata: Mapping[str, Value] = field(default_factory=dict)
    destinations: Mapping[str, str] = field(default_factory=dict)
    """Where its commands may go → a label for the drawing (may be "")."""
    defer: bool = False


@dataclass(frozen=True, slots=True)
class BranchSpec:
    """A conditional edge: code that looks at the state after a node and says where to go."""

    name: str
    call: UserCallable
    ends: Mapping[Hashable, str] | None
    """What the code returns → node; None: it returns nodes."""
    schema: Schema
    """What the code gets to see."""
    passthrough: bool = True
    """The code did not ask for a schema of its own, so what the node just returned is added to what it sees."""


@dataclass(frozen=True, slots=True)
class Join:
    """An edge from several nodes: the target runs when all sources have."""

    sources: tuple[str, ...]
    """Sorted."""
    target: str

    @property
    def key(self) -> str:
        """The hidden channel that remembers who has arrived."""
        return f"join:{'+'.join(self.sources)}:{self.target}"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A compiled graph."""

    name: str
    nodes: Mapping[str, NodeSpec]
    edges: Mapping[str, tuple[str, ...]]
    """Source (START too) → targets (END too)."""
    branches: Mapping[str, tuple[BranchSpec, ...]]
    joins: tuple[Join, ...]
    """Those that wait for a node; a join into END waits for nothing."""
    channels: Mapping[str, Channel]
    managed: Mapping[str, type[ManagedValue]]
    untracked: tuple[str, ...]
    """Channels that live in memory for one run, and are never written to the log."""
    clearing: tuple[str, ...]
    """Channels that a step without a write empties."""
    compared: tuple[str, ...]
    """Logged channels whose writes are stored relative to what they hold."""
    state: Schema
    input: Schema
    output: Schema
    context_schema: Any
    interrupt_before: Names
    interrupt_after: Names
    node_writes: Accepts
    """How what a node returns becomes writes."""
    input_writes: Accepts
    """How what a run is given becomes writes."""
    fingerprint: str
    """16 hexadecimal characters over the graph's shape (not its code), the same in every process."""


def fingerprint(
    edges: Mapping[str, tuple[str, ...]],
    nodes: Mapping[str, NodeSpec],
    branches: Mapping[str, tuple[BranchSpec, ...]],
    joins: tuple[Join, ...],
    channels: Mapping[str, Channel],
) -> str:
    """Return 16 hexadecimal characters that change when nodes, ways between them, or kinds of channels do."""
    shape = {
        "nodes": sorted([name, spec.defer] for name, spec in nodes.items()),
        "edges": sorted([source, target] for source, targets in edges.items() for target in targets),
        "branches": sorted(
            [source, branch.name, _ends(branch)] for source, found in branches.items() for branch in found
        ),
        "joins": sorted([*join.sources, join.target] for join in joins),
        "channels": sorted([name, type(channel).__name__] for name, channel in channels.items()),
    }
    return blake2b(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _ends(branch: BranchSpec) -> list[list[str]]:
    """Return a branch's ends; an answer that has no stable text counts by its type."""
    return sorted([_answer(answer), target] for answer, target in (branch.ends or {}).items())


def _answer(answer: Hashable) -> str:
    if isinstance(answer, Enum):
        return f"{type(answer).__name__}.{answer.name}"
    if answer is None or isinstance(answer, (str, int, float, bytes)):
        return f"{type(answer).__name__}:{answer!r}"
    return type(answer).__name__
