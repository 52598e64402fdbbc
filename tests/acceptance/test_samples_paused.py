"""The approval samples that users paste first: a node raises `InterruptedError`, a later invoke goes on from it.

The programs are the samples' own text; only the imports have other names.
"""

from pathlib import Path
from typing import Any

import pytest

from perdure import Saver
from perdure.events import RunFinished, TaskInterrupted
from tests.acceptance.programs import run_cell, run_program

GRAPH = """
from perdure.graph import StateGraph, END
from perdure_sqlite import SqliteSaver
from typing import TypedDict

class State(TypedDict):
    input: str
    approved: bool

def draft(state):
    print("Drafting...")
    return {}

def review(state):
    if not state["approved"]:
        raise InterruptedError("Waiting for approval")
    return {}

builder = StateGraph(State)
builder.add_node("draft", draft)
builder.add_node("review", review)

builder.set_entry_point("draft")
builder.add_edge("draft", "review")
builder.add_edge("review", END)

checkpointer = SqliteSaver("memory.db")
graph = builder.compile(checkpointer=checkpointer)
"""
START_EXECUTION = """
# Start execution
try:
    graph.invoke({"input": "report", "approved": False}, config={"thread_id": "task1"})
except:
    pass
"""
RESUME_LATER = """
graph.invoke({"approved": True}, config={"thread_id": "task1"})
"""
SHOW = """
state = graph.get_state({"thread_id": "task1"})
print(sorted(state.values.items()), state.next)
"""

CELLS = [
    """
from typing import TypedDict

class State(TypedDict):
    text: str
    approved: bool

def draft_node(state: State):
    print("Drafting document...")
    return {"text": "Initial draft content"}

def review_node(state: State):
    print("Waiting for human approval...")
    if not state["approved"]:
        raise InterruptedError("Paused for human approval")
    return {}

def finalize_node(state: State):
    print("Finalizing document...")
    return {"text": state["text"] + " [APPROVED]"}
""",
    """
from perdure.graph import StateGraph, END
from perdure_memory import InMemorySaver

builder = StateGraph(State)

builder.add_node("draft", draft_node)
builder.add_node("review", review_node)
builder.add_node("finalize", finalize_node)

builder.set_entry_point("draft")
builder.add_edge("draft", "review")
builder.add_edge("review", "finalize")
builder.add_edge("finalize", END)

checkpointer = InMemorySaver()
graph = builder.compile(checkpointer=checkpointer)
""",
    """
try:
    graph.invoke({"text": "", "approved": False}, config={"thread_id": "doc-123"})
except InterruptedError:
    print("Execution paused and state saved.")
""",
]
PRINTED = """Drafting document...
Waiting for human approval...
Execution paused and state saved.
"""
DONE = {"text": "Initial draft content [APPROVED]", "approved": True}


@pytest.fixture
def notebook(saver: Saver, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The sample's cells, run up to the pause, on each saver; what they printed is what the sample shows."""
    names: dict[str, Any] = {"__name__": "notebook"}
    run_cell(CELLS[0], names)
    run_cell(CELLS[1], names)
    names["graph"] = names["builder"].compile(checkpointer=saver)
    run_cell(CELLS[2], names)
    assert capsys.readouterr().out == PRINTED
    return names


def test_script_goes_on_in_a_fresh_process_from_the_paused_node(tmp_path: Path) -> None:
    """Each part runs in a process of its own: the answer's process does not draft again."""
    started = run_program(GRAPH + START_EXECUTION + SHOW, tmp_path)
    assert started == "Drafting...\n[('approved', False), ('input', 'report')] ('review',)\n"
    assert run_program(GRAPH + RESUME_LATER + SHOW, tmp_path) == "[('approved', True), ('input', 'report')] ()\n"
    assert run_program(GRAPH + SHOW, tmp_path) == "[('approved', True), ('input', 'report')] ()\n"


def test_script_runs_as_one_program(tmp_path: Path) -> None:
    """Pasted together and run from top to bottom, the script drafts once."""
    printed = run_program(GRAPH + START_EXECUTION + RESUME_LATER + SHOW, tmp_path)
    assert printed == "Drafting...\n[('approved', True), ('input', 'report')] ()\n"


def test_cells_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    """The notebook's own cells, with the memory saver they name, print what the notebook shows."""
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in CELLS:
        run_cell(cell, names)
    assert capsys.readouterr().out == PRINTED


@pytest.mark.parametrize(
    "config", [{"thread_id": "doc-123"}, {"configurable": {"thread_id": "doc-123"}}], ids=["flat", "configurable"]
)
def test_dict_goes_on_from_the_paused_node(
    notebook: dict[str, Any], config: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The dict is an update, not a new input: the node that paused runs again, the one before it does not."""
    assert notebook["graph"].invoke({"approved": True}, config=config) == DONE
    assert capsys.readouterr().out == "Waiting for human approval...\nFinalizing document...\n"


@pytest.mark.anyio
async def test_dict_goes_on_async(notebook: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """A thread paused by a sync call goes on in an async one."""
    assert await notebook["graph"].ainvoke({"approved": True}, config={"thread_id": "doc-123"}) == DONE
    assert capsys.readouterr().out == "Waiting for human approval...\nFinalizing document...\n"


def test_dict_goes_on_by_stream(notebook: dict[str, Any]) -> None:
    """Streaming goes on from the paused node, too."""
    parts = list(notebook["graph"].stream({"approved": True}, {"thread_id": "doc-123"}))
    assert parts == [{"review": None}, {"finalize": {"text": DONE["text"]}}]


@pytest.mark.anyio
async def test_error_reaches_every_kind_of_caller(notebook: dict[str, Any]) -> None:
    """invoke, stream and their async sisters all raise the node's own error, and the thread stays paused."""
    graph, config = notebook["graph"], {"thread_id": "doc-123"}
    with pytest.raises(InterruptedError, match="Paused for human approval"):
        graph.invoke({"approved": False}, config)
    with pytest.raises(InterruptedError, match="Paused for human approval"):
        list(graph.stream(None, config))
    with pytest.raises(InterruptedError, match="Paused for human approval"):
        await graph.ainvoke(None, config)
    with pytest.raises(InterruptedError, match="Paused for human approval"):
        _ = [part async for part in graph.astream({"text": "changed"}, config)]
    assert graph.get_state(config).next == ("review",)
    assert graph.get_state(config).values == {"text": "changed", "approved": False}


def test_pause_is_recorded_as_a_pause(notebook: dict[str, Any]) -> None:
    """The log says that the node waits and that the run was interrupted; it is no failure and asks no question."""
    thread = notebook["graph"].thread("doc-123")
    events = [logged.event for logged in thread.events()]
    (pause,) = [event for event in events if isinstance(event, TaskInterrupted)]
    (end,) = [event for event in events if isinstance(event, RunFinished)]
    assert (pause.node, pause.questions, pause.paused) == ("review", (), "Paused for human approval")
    assert (end.status, end.error) == ("interrupted", "InterruptedError")
    assert thread.pending() == ()
    assert thread.verify().ok


def test_update_state_then_none_goes_on_as_well(notebook: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """`update_state` as the node before, then `invoke(None)`: what users of checkpoints write."""
    graph, config = notebook["graph"], {"thread_id": "doc-123"}
    graph.update_state(config, {"approved": True}, as_node="draft")
    assert graph.invoke(None, config) == DONE
    assert capsys.readouterr().out == "Waiting for human approval...\nFinalizing document...\n"


def test_after_the_end_a_dict_begins_anew(notebook: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Only a paused thread takes a dict as an update; a finished one takes it as a new input."""
    graph, config = notebook["graph"], {"thread_id": "doc-123"}
    graph.invoke({"approved": True}, config)
    capsys.readouterr()
    assert graph.invoke({"text": "", "approved": True}, config) == DONE
    assert capsys.readouterr().out.startswith("Drafting document...\n")
