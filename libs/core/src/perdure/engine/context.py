"""What node code may touch while its task runs: its answers, its stream, its config.

A `TaskContext` is current (a context variable) while user code of its task runs; threads and asyncio tasks that the
engine starts carry it along.
"""

from contextvars import ContextVar
from typing import Any, Final, cast

from perdure.definition.blueprint import Blueprint
from perdure.definition.schema import Schema
from perdure.engine.session import Session
from perdure.errors import UsageError
from perdure.events import Question
from perdure.fold import copied
from perdure.ids import interrupt_id
from perdure.rules.project import GraphState, TaskState, child_namespace
from perdure.rules.returns import read
from perdure.runtime import ExecutionInfo, Runtime
from perdure.signals import GraphInterrupt
from perdure.types import CURRENT_TASK, Interrupt, RunnableConfig

CURRENT: Final = cast("ContextVar[TaskContext]", CURRENT_TASK)


class TaskContext:
    """One attempt of one task, as its own code may see it."""

    __slots__ = (
        "answers",
        "asked",
        "attempt",
        "blueprint",
        "calls",
        "last_step",
        "namespace",
        "questions",
        "session",
        "task",
    )

    def __init__(self, session: Session, blueprint: Blueprint, namespace: str, task: TaskState, last_step: int) -> None:
        self.last_step = last_step
        self.session = session
        self.blueprint = blueprint
        self.namespace = namespace
        self.task = task.plan
        self.attempt = task.attempts + 1
        self.questions: list[Question] = task.questions
        self.answers = dict(task.answers)
        self.asked = 0 if task.body is None else task.node_asked
        self.calls = 0

    def ask(self, value: Any) -> Any:
        """Return the answer to this task's next question, or unwind the task until there is one."""
        if self.session.terms.outer is not None:  # a graph that keeps nothing asks in its caller's name
            self.asked += 1
            nodes = [part.partition(":")[0] for part in self.namespace.split("|")]
            place = "|".join([*nodes, self.task.node, str(self.task.index), str(self.asked)])
            return self.session.terms.outer.ask_for(value, place)
        ordinal, self.asked = self.asked, self.asked + 1
        if ordinal < len(self.questions):
            id = self.questions[ordinal].id
            if id in self.answers:
                return copied(self.answers[id])
        else:
            id = interrupt_id(self.session.writer.branch, self.task.id, ordinal)
        raise GraphInterrupt((Interrupt(value, id),))

    def ask_for(self, value: Any, place: str) -> Any:
        """Ask in the name of a task inside: told apart by its place in its graph, not by who comes first."""
        if self.session.terms.outer is not None:
            return self.session.terms.outer.ask_for(value, f"{self.task.node}|{place}")
        id = interrupt_id(self.session.writer.branch, self.task.id, place)
        if id in self.answers:
            return copied(self.answers[id])
        raise GraphInterrupt((Interrupt(value, id),))

    def sight(self, schema: Schema, graph: GraphState) -> dict[str, Any]:
        """Return what a schema shows of a graph's state, computed keys included."""
        values = read(self.blueprint, graph, schema.keys)
        for key, managed in schema.managed.items():
            values[key] = managed.read(self.session.graph(self.namespace).step + 1, self.last_step + 1)
        return values

    def next_call(self, *, remembers: bool) -> str:
        """Return the namespace of the next graph that this task calls.

        One that remembers from call to call has a namespace without the task's id.
        """
        ordinal, self.calls = self.calls, self.calls + 1
        first = child_namespace(self.namespace, self.task.node, self.task.id)
        if remembers and self.task.node.isdigit():
            raise UsageError(
                f"Node {self.task.node!r} calls a graph that remembers (checkpointer=True): give the node a name that"
                " is no number, so that its namespace cannot be taken for the number of a call."
            )
        if remembers:
            first = first.removesuffix(f":{self.task.id}")
        return first if ordinal == 0 else f"{first}|{ordinal}"

    def write(self, chunk: Any) -> None:
        """Send a chunk to the `custom` stream."""
        self.session.stream.send(self.namespace, "custom", chunk)

    @property
    def config(self) -> RunnableConfig:
        """The config of this task: the caller's, plus where in the log the task stands."""
        session, terms = self.session, self.session.terms
        inner = child_namespace(self.namespace, self.task.node, self.task.id)
        place = {
            **({"thread_id": session.writer.thread_id} if session.writer.thread_id else {}),
            "checkpoint_ns": inner,
            "checkpoint_id": session.graph(self.namespace).checkpoint,
        }
        config: dict[str, Any] = {
            **terms.config,
            "recursion_limit": terms.recursion_limit,
            "configurable": {**terms.configurable, **place},
            "metadata": {
                **terms.metadata,
                "langgraph_node": self.task.node,
                "langgraph_step": session.graph(self.namespace).step + 1,
                "langgraph_checkpoint_ns": inner,
            },
        }
        return config  # type: ignore[return-value]

    @property
    def runtime(self) -> Runtime[Any]:
        """The run's loans to this task."""
        session = self.session
        info = ExecutionInfo(
            thread_id=session.writer.thread_id or None,
            run_id=session.writer.run_id,
            checkpoint_id=session.graph(self.namespace).checkpoint,
            checkpoint_ns=child_namespace(self.namespace, self.task.node, self.task.id),
            task_id=self.task.id,
            node_attempt=self.attempt,
        )
        return Runtime(session.terms.context, session.terms.store, self.write, None, info)

    def inject(self, names: frozenset[str]) -> dict[str, Any]:
        """Return what a callable asked for by parameter name."""
        injected: dict[str, Any] = {}
        if "config" in names:
            injected["config"] = self.config
        if "writer" in names:
            injected["writer"] = self.write
        if "runtime" in names:
            injected["runtime"] = self.runtime
        if "store" in names:
            injected["store"] = self.session.terms.store
        if "previous" in names:
            injected["previous"] = None
        return injected
