"""The page's query for open questions agrees with `thread.pending()`, whatever became of the questions."""

import operator
import re
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psycopg

from perdure import START, CompiledGraph, Send, StateGraph, interrupt
from perdure_postgres import PostgresSaver

PAGE = Path(__file__).parents[2] / "docs/how-to/query-the-log-with-sql.md"


class State(TypedDict, total=False):
    names: list[str]
    log: Annotated[list[str], operator.add]


def query() -> str:
    """Return the page's query, for ids instead of ages."""
    section = PAGE.read_text(encoding="utf-8").split("## Who waits for an answer")[1]
    found = re.search(r"```sql\n(.*?);\n```", section, re.DOTALL)
    assert found is not None
    return re.sub(r"^SELECT .*?\nFROM", "SELECT asked.thread_id, question ->> 'id'\nFROM", found[1], flags=re.DOTALL)


def graphs(saver: PostgresSaver) -> tuple[CompiledGraph, CompiledGraph]:
    """Return a graph whose nodes ask side by side and in turn, and one that asks in a graph inside."""

    def ask(state: dict[str, str]) -> dict[str, list[str]]:
        return {"log": [f"{state['name']}: {interrupt(state['name'])}, {interrupt('sure?')}"]}

    def each(state: State) -> list[Send]:
        return [Send("ask", {"name": name}) for name in state["names"]]

    def after(state: State) -> State:
        return {"log": ["done"]}

    wide = StateGraph(State).add_node("ask", ask).add_node("after", after)
    wide.add_conditional_edges(START, each, ["ask"]).add_edge("ask", "after")
    inside = StateGraph(State).add_node("deep", lambda _: {"log": [interrupt("deep?")]}).add_edge(START, "deep")
    outside = StateGraph(State).add_node("inside", inside.compile()).add_edge(START, "inside")
    return wide.compile(saver), outside.compile(saver)


def test_open_questions(postgres_url: str) -> None:
    """Open, answered in part, answered, dropped by a new input, closed by an update, asked anew, asked deep inside."""
    with PostgresSaver(postgres_url) as saver:
        wide, deep = graphs(saver)
        threads: dict[str, Any] = {name: wide.thread(name) for name in ("open", "part", "all", "new", "update")}
        threads |= {name: deep.thread(name) for name in ("deep", "deep-done", "deep-new")}
        for name, thread in threads.items():
            thread.invoke({"names": ["a", "b"] if name != "update" else ["a"], "log": []})
        threads["part"].resume({threads["part"].pending()[0].id: "yes"})
        for name in ("all", "deep-done"):
            while questions := threads[name].pending():
                threads[name].resume({one.id: "yes" for one in questions})
        threads["new"].invoke({"names": ["c"], "log": []})
        threads["update"].update({"log": ["skipped"]}, as_node="ask")
        threads["deep-new"].invoke({"names": [], "log": []})

        expected = {(name, one.id) for name, thread in threads.items() for one in thread.pending()}
        with psycopg.connect(postgres_url) as connection:
            found = connection.execute(query().encode()).fetchall()
        assert {name for name, _ in expected} == {"open", "part", "new", "deep", "deep-new"}
        assert sorted(found) == sorted(expected)
