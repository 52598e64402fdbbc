"""Files, classes and functions stay small enough to be read at once. (Parameters and complexity are ruff's.)"""

import ast
from math import ceil

from tests.architecture.source import functions, library_files, python_files, shown, span, tree, without_docstring

FILE_SOFT, FILE_HARD = 300, 400
CLASS_HARD = 300
FUNCTION_HARD = 40
"""Lines. A function's signature and docstring are not counted."""
LONG_CLASSES: dict[str, str] = {}
"""path:Class → the reason why it may be longer."""
LONG_FUNCTIONS: dict[str, str] = {}
"""path:Class.function → the reason why it may be longer."""


def file_lengths() -> dict[str, int]:
    return {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}


def test_no_file_is_longer_than_the_hard_limit() -> None:
    """No module has more than 400 lines."""
    assert {name: lines for name, lines in file_lengths().items() if lines > FILE_HARD} == {}


def test_few_files_are_longer_than_the_soft_limit() -> None:
    """At most one module in ten has more than 300 lines."""
    lengths = file_lengths()
    long = {name: lines for name, lines in lengths.items() if lines > FILE_SOFT}
    assert len(long) <= ceil(len(lengths) / 10), long


def test_no_class_is_longer_than_the_limit() -> None:
    """No class has more than 300 lines, but for those with a written reason."""
    long = {
        f"{shown(path)}:{node.name}": lines
        for path in library_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and (lines := (node.end_lineno or 0) - node.lineno + 1) > CLASS_HARD
    }
    assert long.keys() == LONG_CLASSES.keys(), long


def test_no_function_is_longer_than_the_limit() -> None:
    """No function has more than 40 lines, but for those with a written reason."""
    long = {
        f"{shown(path)}:{name}": lines
        for path in library_files()
        for name, node in functions(tree(path))
        if (lines := span(without_docstring(node.body))) > FUNCTION_HARD
    }
    assert long.keys() == LONG_FUNCTIONS.keys(), long
