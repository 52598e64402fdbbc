"""How a graph is written down: nodes, edges, conditional edges. `blueprint` freezes it.

What is wrong by itself is refused at once; what depends on the rest of the graph, when it is frozen (`validate`).
Changes after that do not reach a graph that was frozen before.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

from perdure.channels import Channel, LastValue
from perdure.definition.arguments import (
    Action,
    PathMap,
    branch_call,
    branch_ends,
    declared,
    labelled,
    names,
    node_name,
    policies,
    source_name,
    target_name,
)
from perdure.definition.blueprint import Blueprint, BranchSpec, Join, NodeSpec, fingerprint
from perdure.definition.callables import UserCallable, default_name
from perdure.definition.schema import Schema, is_structured
from perdure.definition.updates import Accepts
from perdure.definition.validate import check
from perdure.errors import GraphDefinitionError, InvalidUpdateError, UsageError
from perdure.managed import ManagedValue
from perdure.types import END, START, RetryPolicy


class GraphBuilder:
    """A graph under construction. Every method returns the builder, and complains with GraphDefinitionError."""

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        """Start a graph over a state.

        Args:
            state_schema: A TypedDict, dataclass, pydantic model or other annotated class; any other type is a state of
                one value.
            context_schema: The type of what a run is given beside its input.
            input_schema: The keys a run may be given, if not all.
            output_schema: The keys a run returns, if not all.
        """
        self.state_schema = state_schema
        self.context_schema = context_schema
        self.input_schema = state_schema if input_schema is None else input_schema
        self.output_schema = state_schema if output_schema is None else output_schema
        self.nodes: dict[str, NodeSpec] = {}
        self.branches: dict[str, dict[str, BranchSpec]] = {}
        self.channels: dict[str, Channel] = {}
        self.managed: dict[str, type[ManagedValue]] = {}
        self.compiled = False
        self._schemas: list[Schema] = []
        self._edges: dict[tuple[str, str], None] = {}
        self._joins: dict[Join, None] = {}
        self._state = self._add_schema(state_schema)
        self._input = self._add_schema(self.input_schema, boundary="input_schema")
        self._output = self._add_schema(self.output_schema, boundary="output_schema")

    @property
    def edges(self) -> set[tuple[str, str]]:
        """The plain edges, (source, target)."""
        return set(self._edges)

    @property
    def waiting_edges(self) -> set[tuple[tuple[str, ...], str]]:
        """The edges from several nodes, (sources in order of their names, target)."""
        return {(join.sources, join.target) for join in self._joins}

    # -- nodes ---------------------------------------------------------------------------------------------------

    def add_node(  # noqa: PLR0913 -- the shape of the API that users know
        self,
        node: str | Action,
        action: Action | None = None,
        *,
        defer: bool = False,
        metadata: Mapping[str, Any] | None = None,
        input_schema: Any = None,
        retry_policy: RetryPolicy | Sequence[RetryPolicy] | None = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
    ) -> Self:
        """Add a node.

        Args:
            node: Its name; or its code, which then gives the name.
            action: Its code.
            defer: Run it only when nothing else is left to run.
            metadata: Shown with its tasks.
            input_schema: What it sees of the state; by default what its first parameter is annotated with, else all.
            retry_policy: One or several; the first that fits an error counts.
            destinations: Where its commands may go, for drawing and checking; by default what its return annotation
                `Command[Literal[...]]` names.
        """
        name, code = (node, action) if isinstance(node, str) else (default_name(node), node)
        name = node_name(name)
        if code is None:
            raise GraphDefinitionError(f"The node {name!r} has no code: add_node({name!r}, function).")
        if name in self.nodes:
            raise GraphDefinitionError(
                f"There is a node {name!r} already. Give this one another name: add_node('other name', code)."
            )
        call = UserCallable.of(code, name)
        if input_schema is None and is_structured(call.takes):
            input_schema = call.takes
        self.nodes[name] = NodeSpec(
            name,
            call,
            self._state if input_schema is None else self._add_schema(input_schema),
            policies(name, retry_policy),
            dict(metadata or {}),
            labelled(declared(call.returns) if destinations is None else destinations),
            defer,
        )
        return self

    def add_sequence(self, nodes: Sequence[Action | tuple[str, Action]]) -> Self:
        """Add nodes that run one after the other; give (name, code) where code has no name of its own."""
        if not nodes:
            raise GraphDefinitionError("A sequence needs at least one node; this one is empty.")
        before: str | None = None
        for node in nodes:
            name, code = node if isinstance(node, tuple) and len(node) == 2 else (default_name(node), node)
            self.add_node(name, code)
            if before is not None:
                self.add_edge(before, name)
            before = name
        return self

    # -- edges ---------------------------------------------------------------------------------------------------

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """Run `end_key` after `start_key`; of several start nodes, after all of them."""
        target = target_name(end_key)
        if isinstance(start_key, str):
            self._edges[(source_name(start_key), target)] = None
            return self
        sources = {source_name(start) for start in start_key}
        if not sources:
            raise GraphDefinitionError(f"The edge into {target!r} has no start: name at least one node.")
        for name in (*sorted(sources), target):
            if name not in self.nodes and not (name == target == END):
                raise GraphDefinitionError(
                    f"An edge from several nodes joins nodes that exist, and {name!r} does not yet: add_node it before."
                )
        self._joins[Join(tuple(sorted(sources)), target)] = None
        return self

    def add_conditional_edges(self, source: str, path: Action, path_map: PathMap | None = None) -> Self:
        """After `source`, let code choose: it returns a node, END, a `Send`, or a list of these.

        Args:
            source: A node, or START.
            path: The code. It sees the state with the writes of `source` applied.
            path_map: What it may return → node, or the nodes it may return; by default what its return annotation
                `Literal[...]` names, else anything goes.
        """
        source, call = source_name(source), branch_call(path)
        if call.name in self.branches.get(source, ()):
            raise GraphDefinitionError(
                f"{source!r} already has a branch named {call.name!r}. Give the code another name (a lambda has none)."
            )
        schema = self._add_schema(call.takes) if is_structured(call.takes) else None
        branch = BranchSpec(call.name, call, branch_ends(path_map, call), schema or self._state, schema is None)
        self.branches.setdefault(source, {})[call.name] = branch
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin with this node: `add_edge(START, key)`."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(self, path: Action, path_map: PathMap | None = None) -> Self:
        """Let code choose where to begin: `add_conditional_edges(START, path, path_map)`."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """End after this node: `add_edge(key, END)`."""
        return self.add_edge(key, END)

    # -- the result ----------------------------------------------------------------------------------------------

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Raise GraphDefinitionError with every mistake of the graph, and of names at which it is to stop."""
        self.blueprint(interrupt_before=interrupt)
        return self

    def blueprint(
        self,
        *,
        name: str | None = None,
        interrupt_before: Sequence[str] | Literal["*"] | None = None,
        interrupt_after: Sequence[str] | Literal["*"] | None = None,
        unknown_keys: Literal["refuse", "drop"] = "refuse",
    ) -> Blueprint:
        """Freeze the graph.

        Args:
            name: Shown in the log and in namespaces of subgraphs.
            interrupt_before: Nodes before which every run stops.
            interrupt_after: Nodes after which every run stops.
            unknown_keys: What happens to keys that the state does not have, in an input and in a node's update.

        Raises GraphDefinitionError with every mistake that is left.
        """
        edges, branches = _grouped(self._edges), self._branches_by_source()
        joins = tuple(join for join in self._joins if join.target != END)
        nodes, channels, managed = dict(self.nodes), dict(self.channels), dict(self.managed)
        node_writes, input_writes = self._accepts(drops=unknown_keys == "drop")
        blueprint = Blueprint(
            name=name or "graph",
            nodes=nodes,
            edges=edges,
            branches=branches,
            joins=joins,
            channels=channels,
            managed=managed,
            untracked=tuple(key for key, channel in channels.items() if not channel.persists),
            clearing=tuple(key for key, channel in channels.items() if channel.clears),
            compared=tuple(key for key, channel in channels.items() if channel.compares and channel.persists),
            state=self._state,
            input=self._input,
            output=self._output,
            context_schema=self.context_schema,
            interrupt_before=names(interrupt_before),
            interrupt_after=names(interrupt_after),
            node_writes=node_writes,
            input_writes=input_writes,
            fingerprint=fingerprint(edges, nodes, branches, joins, channels),
        )
        return self._finish(blueprint)

    def _accepts(self, *, drops: bool) -> tuple[Accepts, Accepts]:
        """Return what nodes may write, and what a run may be given."""
        keys, managed, taken = frozenset(self.channels), frozenset(self.managed), frozenset(self._input.keys)
        return (
            Accepts(keys, managed, "A node's update", InvalidUpdateError, drops),
            Accepts(taken, (keys - taken) | managed, "The graph's input", UsageError, drops),
        )

    def _finish(self, blueprint: Blueprint) -> Blueprint:
        check(blueprint)
        for schema in self._schemas:
            schema.register()
        self.compiled = True
        return blueprint

    def _branches_by_source(self) -> dict[str, tuple[BranchSpec, ...]]:
        """Return the branches; one that asked for no schema sees what its source sees."""
        return {
            source: tuple(self._sighted(source, branch) for branch in found.values())
            for source, found in self.branches.items()
        }

    def _sighted(self, source: str, branch: BranchSpec) -> BranchSpec:
        if not branch.passthrough or source not in self.nodes:
            return branch
        return BranchSpec(branch.name, branch.call, branch.ends, self.nodes[source].schema)

    def _add_schema(self, annotation: Any, *, boundary: str = "") -> Schema:
        schema = next((known for known in self._schemas if known.cls is annotation), None)
        if schema is not None:
            return schema
        schema = Schema(annotation)
        if boundary and schema.managed:
            raise GraphDefinitionError(
                f"{boundary} {schema.name} has the keys {', '.join(schema.managed)}, which the engine computes:"
                " they can be read by nodes, not passed in or out. Leave them out of it."
            )
        for key, channel in schema.channels.items():
            known = self.channels.get(key, channel)
            if known != channel and not isinstance(channel, LastValue):
                raise GraphDefinitionError(
                    f"Channel {key!r} already exists with a different type: {type(known).__name__} in an earlier"
                    f" schema, {type(channel).__name__} in {schema.name}."
                    " Annotate it alike, or plainly in all but the first."
                )
        self.channels = {**self.channels, **schema.channels, **self.channels}
        self.managed = {**self.managed, **schema.managed, **self.managed}
        self._schemas.append(schema)
        return schema


def _grouped(edges: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source, target in edges:
        found[source] = (*found.get(source, ()), target)
    return found
