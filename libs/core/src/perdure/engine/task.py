"""One attempt of one task: its node, then its routers. A flow that yields `UserCall`s of user code."""

from collections.abc import Generator
from time import perf_counter_ns
from typing import Any

from perdure.definition.blueprint import Blueprint
from perdure.engine.context import TaskContext
from perdure.engine.effects import Asked, Failed, HandedUp, Job, Succeeded, TaskFlow, UserCall
from perdure.engine.session import Session
from perdure.errors import StoreError, UnknownNodeError
from perdure.events import Route
from perdure.fold import copied
from perdure.rules.project import TaskState, Written
from perdure.rules.returns import Result, branch_routes, interpret, preview, unknown_node
from perdure.signals import GraphInterrupt, ParentCommand
from perdure.types import START, Command


def job(session: Session, blueprint: Blueprint, namespace: str, task: TaskState, last_step: int) -> Job:
    """Return an attempt of a task, ready to be performed."""
    context = TaskContext(session, blueprint, namespace, task, last_step)
    calls = [branch.call for branch in blueprint.branches.get(task.plan.node, ())]
    spec = blueprint.nodes.get(task.plan.node)
    if spec is not None:
        calls.append(spec.call)
    threaded = bool(calls) and all(call.async_ is None for call in calls)
    return Job(task.plan.id, lambda: _attempt(context, task), context, threaded)


def _attempt(context: TaskContext, task: TaskState) -> TaskFlow:
    started, body = perf_counter_ns(), task.body
    try:
        if body is None:
            body = yield from _node(context, task)
        writes, routes = body
        routes += yield from _routers(context, writes)
    except GraphInterrupt as signal:
        return Asked(signal.interrupts, body=body)
    except InterruptedError as error:
        return Asked(pause=error, body=body)
    except ParentCommand as signal:
        return HandedUp(signal)
    except StoreError as error:
        if error is context.session.failed:  # the run's own log, not the node's doing
            raise
        return Failed(error, body)
    except Exception as error:  # noqa: BLE001 - whatever a node raises is an outcome
        return Failed(error, body)
    return Succeeded(writes, routes, (perf_counter_ns() - started) // 1000)


def _node(context: TaskContext, task: TaskState) -> Generator[UserCall, Any, Result]:
    blueprint, graph, name = context.blueprint, context.session.graph(context.namespace), task.plan.node
    if name == START:
        return list(graph.accepted), ()
    spec = blueprint.nodes.get(name)
    if spec is None:
        raise UnknownNodeError(
            unknown_node(blueprint, name) + " The task was planned by an earlier version of the graph."
        )
    if task.plan.kind == "push":
        given = copied(task.arg)  # every attempt gets what was sent
    else:
        given = spec.schema.coerce(context.sight(spec.schema, graph))
    try:
        result = yield UserCall(spec.call, given, context.inject(spec.call.injects))
    except ParentCommand as signal:  # a graph called inside this node hands a command to this one
        command = signal.command
        result = Command(update=command.update, goto=command.goto)
    if isinstance(result, Command) and result.graph == Command.PARENT:
        raise ParentCommand(result)
    return interpret(blueprint, name, result)


def _routers(context: TaskContext, writes: Written) -> Generator[UserCall, Any, tuple[Route, ...]]:
    blueprint = context.blueprint
    branches = blueprint.branches.get(context.task.node, ())
    routes: tuple[Route, ...] = ()
    if branches:
        fresh = preview(blueprint, context.session.graph(context.namespace), writes)
        for branch in branches:
            given = branch.schema.coerce(context.sight(branch.schema, fresh))
            answer = yield UserCall(branch.call, given, context.inject(branch.call.injects))
            routes += branch_routes(blueprint, branch, answer)
    return routes
