"""One logic, two worlds: no function is copied to put `await` into it."""

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

import pytest

from tests.architecture.source import Function, functions, library_files, shown, span, tree, without_docstring

LINES = 10
"""A shell that must exist twice may have this many lines."""
ALIKE = 0.8


class Twin(NamedTuple):
    name: str
    lines: int
    likeness: float


class Unawait(ast.NodeTransformer):
    """Takes from a tree what an async copy of a function would differ in."""

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return self.generic_visit(ast.With(node.items, node.body))

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self.generic_visit(ast.For(node.target, node.iter, node.body, node.orelse))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.generic_visit(ast.FunctionDef(bare(node.name), node.args, node.body, []))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.is_async = 0
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(bare(node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self.generic_visit(ast.Attribute(node.value, bare(node.attr), node.ctx))


def bare(name: str) -> str:
    """Return a name without what marks its side: `ainvoke`, `_aread`, `run_async`, `AsyncDriver`, `__aenter__`."""
    lead = name[: len(name) - len(name.lstrip("_"))]
    core = name.lstrip("_")
    for mark in ("async_", "Async", "a"):
        if core.startswith(mark) and len(core) > len(mark) + 1:
            core = core.removeprefix(mark)
            break
    return lead + core.removesuffix("_async").removesuffix("_sync")


def normal_form(node: Function) -> list[str]:
    """Return a function's body as the words of its tree, async marks taken away."""
    source = ast.unparse(ast.Module(without_docstring(node.body), []))
    return ast.dump(Unawait().visit(ast.parse(source))).replace("(", " ").replace(",", " ").split()


def near_twins(modules: list[tuple[str, ast.Module]]) -> Iterator[Twin]:
    """Yield every async function that has a long and similar sync namesake, in any module."""
    found = [(f"{place}:{name}", node) for place, module in modules for name, node in functions(module)]
    sync: dict[str, list[Function]] = {}
    for _, node in found:
        if isinstance(node, ast.FunctionDef):
            sync.setdefault(bare(node.name), []).append(node)
    for name, node in found:
        lines = span(without_docstring(node.body))
        if not isinstance(node, ast.AsyncFunctionDef) or lines <= LINES:
            continue
        words = normal_form(node)
        for namesake in sync.get(bare(node.name), []):
            likeness = SequenceMatcher(None, words, normal_form(namesake), autojunk=False).ratio()
            if likeness > ALIKE:
                yield Twin(name, lines, round(likeness, 2))


def test_no_async_function_is_a_copy_of_its_sync_namesake() -> None:
    """Logic that both worlds need is a generator with two drivers, not two functions."""
    assert list(near_twins([(shown(path), tree(path)) for path in library_files()])) == []


SYNC = """
def load(self, thread):
    rows = self.read(thread)
    out = []
    for row in rows:
        if row.kind == "step":
            out.append(row)
        elif row.kind == "fork":
            out.extend(self.read(row.parent))
    with self.lock:
        self.seen = len(out)
    if not out:
        raise KeyError(thread)
    return out
"""
COPY = (
    SYNC.replace("def load", "async def aload")
    .replace("self.read(", "await self.aread(")
    .replace("with self", "async with self")
)


@pytest.mark.parametrize(
    ("other", "twins"),
    [
        pytest.param(COPY, 1, id="a copy with await"),
        pytest.param("async def aload(self, x):\n    return await self.drive(load(x))\n", 0, id="a thin shell"),
        pytest.param(COPY.replace("aload", "arefresh"), 0, id="another name"),
    ],
)
def test_the_search_finds_copies_and_only_copies(other: str, twins: int) -> None:
    """The search itself is held to what it promises."""
    assert len(list(near_twins([("a.py", ast.parse(SYNC)), ("b.py", ast.parse(other))]))) == twins
