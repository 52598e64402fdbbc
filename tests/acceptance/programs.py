"""Programs as a user writes them: run as text, in this process or in a fresh one."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_program(code: str, folder: Path, *arguments: str) -> str:
    """Run a program in a fresh process, warnings being errors; return what it printed.

    Its working folder is `folder`. Anything it says on stderr fails the test.
    """
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_cell(code: str, names: dict[str, Any]) -> None:
    """Run a cell of a notebook, sync, among the names that are there."""
    exec(compile(code, "<cell>", "exec"), names)


async def arun_cell(code: str, names: dict[str, Any]) -> None:
    """Run a cell of a notebook that awaits at its top level."""
    result = eval(compile(code, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(result):
        await result
