"""Which open question an answer is for, decided before anything is written."""

import re
from collections.abc import Mapping
from typing import Any

from perdure.errors import AmbiguousResumeError, NothingPendingError, UnknownInterruptError
from perdure.events import Question, Value
from perdure.rules.plan import pending_questions
from perdure.rules.project import ThreadState

_ID = re.compile(r"[0-9a-f]{32}")


def match_answers(state: ThreadState, resume: Value) -> dict[str, Value]:
    """Return interrupt id → answer.

    An answer is a map when it is a non-empty dict whose keys all look like interrupt ids; else it is the answer to the
    one open question.

    Raises NothingPendingError, UnknownInterruptError or AmbiguousResumeError.
    """
    pending = pending_questions(state)
    ids = [question.id for question in pending]
    if _is_map(resume):
        _check_known(resume, ids)
        return dict(resume)
    if not pending:
        if state.stopped_at:
            return {}  # a static breakpoint asks nothing: any answer goes on
        raise NothingPendingError(_nothing(state))
    if len(pending) > 1:
        raise AmbiguousResumeError(
            f"{len(pending)} questions are open ({_listed(pending)}): say which one the answer is for with"
            " Command(resume={interrupt id: answer, …}). When there are multiple pending interrupts, you must specify"
            " the interrupt id when resuming.",
            pending_ids=ids,
        )
    return {ids[0]: resume}


def _is_map(resume: Any) -> bool:
    return (
        isinstance(resume, Mapping)
        and bool(resume)
        and all(isinstance(key, str) and _ID.fullmatch(key) for key in resume)
    )


def _check_known(resume: Mapping[str, Value], ids: list[str]) -> None:
    unknown = [id for id in resume if id not in ids]
    if unknown:
        open_now = f"open now: {', '.join(ids)}" if ids else "nothing is open now"
        raise UnknownInterruptError(
            f"No open question has the id {', '.join(unknown)} (never asked here, or answered already); {open_now}.",
            interrupt_ids=unknown,
            pending_ids=ids,
        )


def _nothing(state: ThreadState) -> str:
    paused = any(task.paused is not None for graph in state.graphs.values() for task in graph.tasks.values())
    if paused:
        return "A node paused with InterruptedError, which asks no question: go on with invoke({…}) or invoke(None)."
    return "The thread waits for no answer: go on with invoke(None), or give it an input."


def _listed(questions: list[Question]) -> str:
    return ", ".join(f"{question.id}: {question.value!r}"[:80] for question in questions)
