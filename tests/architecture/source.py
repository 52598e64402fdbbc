"""The project's own source, as the architecture tests look at it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def library_files() -> list[Path]:
    """Return every module that users install."""
    return sorted(ROOT.glob("libs/*/src/**/*.py"))


def python_files() -> list[Path]:
    """Return every module of the project."""
    own = [path for room in ("tests", "examples", "benchmarks") for path in (ROOT / room).glob("**/*.py")]
    return library_files() + sorted(own)


def shown(path: Path) -> str:
    """Return a file's name as a reader of a failure wants it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """Return a module, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield every function below `node` with its dotted name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name, child
            yield from functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, f"{prefix}{child.name}.")
        else:
            yield from functions(child, prefix)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return a body's statements after its docstring."""
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def span(statements: list[ast.stmt]) -> int:
    """Return how many lines statements take, from the first to the last."""
    if not statements:
        return 0
    return (statements[-1].end_lineno or statements[-1].lineno) - statements[0].lineno + 1


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted module) of every import at or below `node`; `from a import b` is `a.b`."""
    for found in ast.walk(node):
        if isinstance(found, ast.Import):
            yield from ((found.lineno, alias.name) for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            yield from ((found.lineno, f"{found.module}.{alias.name}") for alias in found.names)
