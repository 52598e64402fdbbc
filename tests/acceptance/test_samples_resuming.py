"""The samples of "Resuming" and "Resuming after an error", in the four forms in which users find them.

The snippets are the samples' own text; only the imports have other names.
"""

import textwrap
from pathlib import Path
from typing import Any, TypedDict

import pytest

from perdure import END, START, Saver, StateGraph, interrupt
from perdure.app import CompiledGraph
from tests.acceptance.programs import arun_cell, run_cell, run_program

CONFIG = """
config = {
    "configurable": {
        "thread_id": "some_thread_id"
    }
}
"""
IMPORT = "from perdure.types import Command\n"
RESUME = {
    "invoke": "my_workflow.invoke(Command(resume=some_resume_value), config)",
    "ainvoke": "await my_workflow.ainvoke(Command(resume=some_resume_value), config)",
    "stream": """
for chunk in my_workflow.stream(Command(resume=some_resume_value), config):
    print(chunk)
""",
    "astream": """
async for chunk in my_workflow.astream(Command(resume=some_resume_value), config):
    print(chunk)
""",
}
AFTER_ERROR = {form: snippet.replace("Command(resume=some_resume_value)", "None") for form, snippet in RESUME.items()}
PLACE: Any = {"configurable": {"thread_id": "some_thread_id"}}

DEFINITION = """
from typing import TypedDict
from perdure import END, START, StateGraph, interrupt
from perdure_sqlite import SqliteSaver

class State(TypedDict, total=False):
    topic: str
    essay: str
    review: str

def write(state):
    print("writing")
    return {"essay": f"on {state['topic']}"}

def review(state):
    return {"review": interrupt({"essay": state["essay"]})}

builder = StateGraph(State)
builder.add_node("write", write)
builder.add_node("review", review)
builder.add_edge(START, "write")
builder.add_edge("write", "review")
builder.add_edge("review", END)
my_workflow = builder.compile(checkpointer=SqliteSaver("log.db"))
some_resume_value = "good"
"""
FINAL = {"topic": "cats", "essay": "on cats", "review": "good"}


class State(TypedDict, total=False):
    topic: str
    essay: str
    review: str


class Failing(TypedDict, total=False):
    a: int
    slow: int


ran: list[str] = []


def write(state: State) -> State:
    ran.append("write")
    return {"essay": f"on {state['topic']}"}


def review(state: State) -> State:
    ran.append("review")
    return {"review": interrupt({"essay": state["essay"]})}


def reviewing(saver: Saver) -> CompiledGraph:
    ran.clear()
    builder = StateGraph(State).add_node("write", write).add_node("review", review)
    builder.add_edge(START, "write").add_edge("write", "review").add_edge("review", END)
    return builder.compile(checkpointer=saver)


attempts: list[str] = []


def get_info(state: Failing) -> Failing:
    attempts.append("get_info")
    if attempts.count("get_info") < 2:
        raise ValueError("Failure simulated.")
    return {"a": 1}


def slow(state: Failing) -> Failing:
    attempts.append("slow")
    return {"slow": 1}


def failing(saver: Saver) -> CompiledGraph:
    attempts.clear()
    builder = StateGraph(Failing).add_node("slow", slow).add_node("get_info", get_info)
    builder.add_edge(START, "slow").add_edge("slow", "get_info").add_edge("get_info", END)
    return builder.compile(checkpointer=saver)


async def run_sample(code: str, names: dict[str, Any]) -> None:
    await arun_cell(code, names) if "await" in code or "async" in code else run_cell(code, names)


@pytest.mark.anyio
@pytest.mark.parametrize("form", RESUME)
async def test_answer_goes_on(saver: Saver, form: str) -> None:
    """Each form of the sample hands the answer to `interrupt()`; finished nodes do not run again."""
    graph = reviewing(saver)
    paused = graph.invoke({"topic": "cats"}, PLACE)
    assert [question.value for question in paused["__interrupt__"]] == [{"essay": "on cats"}]
    await run_sample(IMPORT + CONFIG + RESUME[form], {"my_workflow": graph, "some_resume_value": "good"})
    assert graph.get_state(PLACE).values == FINAL
    assert graph.get_state(PLACE).next == ()
    assert ran == ["write", "review", "review"]


@pytest.mark.parametrize("form", ["stream", "astream"])
@pytest.mark.anyio
async def test_streamed_answer_prints_what_happens(saver: Saver, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The chunks are what the node that was answered wrote."""
    graph = reviewing(saver)
    graph.invoke({"topic": "cats"}, PLACE)
    await run_sample(IMPORT + CONFIG + RESUME[form], {"my_workflow": graph, "some_resume_value": "good"})
    assert capsys.readouterr().out == "{'review': {'review': 'good'}}\n"


@pytest.mark.parametrize("form", RESUME)
def test_answer_in_a_fresh_process(tmp_path: Path, form: str) -> None:
    """The question is asked by one process and answered by another, in each form."""
    ask = DEFINITION + CONFIG + "print(my_workflow.invoke({'topic': 'cats'}, config)['__interrupt__'][0].value)\n"
    assert run_program(ask, tmp_path) == "writing\n{'essay': 'on cats'}\n"
    answer = CONFIG + IMPORT + RESUME[form]
    if "await" in answer or "async" in answer:
        body = textwrap.indent(answer, "    ")
        answer = f"import asyncio\nasync def main():\n{body}\nasyncio.run(main())\n"
    show = "\nprint(sorted(my_workflow.get_state({'thread_id': 'some_thread_id'}).values.items()))\n"
    printed = run_program(DEFINITION + answer + show, tmp_path)
    assert printed.splitlines()[-1] == str(sorted(FINAL.items()))
    assert "writing" not in printed


@pytest.mark.anyio
@pytest.mark.parametrize("form", AFTER_ERROR)
async def test_none_goes_on_after_an_error(saver: Saver, form: str) -> None:
    """The failed node runs again with the recorded input; what had finished does not."""
    graph = failing(saver)
    with pytest.raises(ValueError, match=r"Failure simulated\."):
        graph.invoke({}, PLACE)
    assert graph.get_state(PLACE).next == ("get_info",)
    await run_sample(CONFIG + AFTER_ERROR[form], {"my_workflow": graph})
    assert graph.get_state(PLACE).values == {"a": 1, "slow": 1}
    assert attempts == ["slow", "get_info", "get_info"]
