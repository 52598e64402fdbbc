"""Who may know whom, where `lint-imports` cannot say it: hidden imports, pure rooms, and what savers may use."""

import ast
from pathlib import Path

from tests.architecture.source import ROOT, imports, library_files, shown, tree

CORE = ROOT / "libs/core/src/perdure"
PURE_ROOMS = ("rules", "definition", "channels", "fold", "events", "checkpoint")
DATABASES = {"sqlite3", "psycopg", "psycopg_pool"}
IMPURE = {"asyncio", "threading", "concurrent", "time", "random", "secrets", "logging", "socket", *DATABASES}
OPEN_TO_SAVERS = {
    "append_rules",
    "chain",
    "codec",
    "codecs",
    "errors",
    "events",
    "fold",
    "ids",
    "offload",
    "ports",
    "saver_urls",
    "sql",
    "sync_saver",
}


def core_room(path: Path) -> str:
    """Return the module or package directly under `perdure` that a file belongs to."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def core_files() -> list[Path]:
    return [path for path in library_files() if path.is_relative_to(CORE)]


def test_no_import_hides_in_a_function_or_behind_type_checking() -> None:
    """The core's imports stand at the top of their module, so that no circle can hide."""
    hidden = [
        f"{shown(path)}:{line} {module}"
        for path in core_files()
        for node in tree(path).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        for line, module in imports(node)
        if module.partition(".")[0] == "perdure"
    ]
    assert hidden == []


def test_pure_rooms_know_no_clock_thread_loop_or_database() -> None:
    """Rules, definitions, channels, folding and facts depend on nothing that waits, draws lots or writes elsewhere."""
    impure = [
        f"{shown(path)}:{line} {module}"
        for path in core_files()
        if core_room(path) in PURE_ROOMS
        for line, module in imports(tree(path))
        if module.partition(".")[0] in IMPURE
    ]
    assert impure == []


def test_savers_use_only_the_rooms_that_are_open_to_them() -> None:
    """A saver stores logs: it knows the port and the facts, never rules, engine, definition or the application."""
    strangers = [
        f"{shown(path)}:{line} {module}"
        for path in library_files()
        if path.relative_to(ROOT / "libs").parts[0].startswith("checkpoint-")
        for line, module in imports(tree(path))
        if module.startswith("perdure.") and module.split(".")[1] not in OPEN_TO_SAVERS
    ]
    assert strangers == []


def test_packages_define_nothing() -> None:
    """An `__init__.py` holds a docstring, imports and `__all__`."""
    code = [
        f"{shown(path)}:{node.lineno}"
        for path in library_files()
        if path.name == "__init__.py"
        for node in tree(path).body
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr | ast.Assign)
    ]
    assert code == []
