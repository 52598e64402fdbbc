"""Stored bytes are data, and the project speaks of itself alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, imports, library_files, shown, tree

EXECUTING_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "importlib", "runpy", "code"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "import_module"}
DATA_ONLY = "importlib.resources"
"""Reads files that a package ships, such as migrations."""
ENTRY_POINTS = "importlib.metadata"
"""The one way in which a package is found by name: installed distributions, never stored bytes."""
ENTRY_POINT_ROOM = ROOT / "libs/core/src/perdure/saver_urls.py"

TEXTS = ("*.md", "Makefile", "pyproject.toml", "libs/**/*.*", "tests/**/*.*", "docs/**/*.md", "examples/**/*.*")
FOREIGN = re.compile(
    r"(?<![\w.])/(?:home|root|Users|wor[k])/\w"  # a place on somebody's machine
    r"|\b(?:this sessio[n]|the brie[f]|sub-?agen[t]s?|co-authored-b[y]|clau[d]e)\b"  # somebody's workshop
    r"|\b[Ii]ssue [#]?\d",  # a number that means nothing here
    re.IGNORECASE,
)


def executes(path: Path) -> Iterator[str]:
    """Yield every place of a module that could turn data into code."""
    for line, module in imports(tree(path)):
        if module.startswith(DATA_ONLY) or (module.startswith(ENTRY_POINTS) and path == ENTRY_POINT_ROOM):
            continue
        if module.partition(".")[0] in EXECUTING_MODULES:
            yield f"{shown(path)}:{line} import {module}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in EXECUTING_CALLS and not is_compile_method(node):
                yield f"{shown(path)}:{node.lineno} {name}()"


def is_compile_method(call: ast.Call) -> bool:
    """`re.compile` and a graph builder's `compile` are methods; the built-in is a bare name."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "compile"


def test_nothing_turns_data_into_code() -> None:
    """No package unpickles, evaluates, or imports what a string names."""
    assert [place for path in library_files() for place in executes(path)] == []


@pytest.mark.parametrize(
    "source", ["import pickle", "from importlib import import_module", "eval(text)", "builtins.exec(text)"]
)
def test_the_search_finds_execution(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search itself is held to what it promises."""
    monkeypatch.setattr("tests.architecture.source.ROOT", tmp_path)
    module = tmp_path / "module.py"
    module.write_text(source, encoding="utf-8")
    assert len(list(executes(module))) == 1


def test_the_project_speaks_of_itself_alone() -> None:
    """No file names a place on somebody's machine, a numbered ticket, or how it came to be written."""
    foreign = [
        f"{shown(path)}:{number} {line.strip()[:80]}"
        for path in sorted({path for pattern in TEXTS for path in ROOT.glob(pattern)})
        if path.suffix in {".py", ".md", ".toml", ".sql", ""} and path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert foreign == []
