"""A saver that nobody closed is closed with its last reference, silently."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from perdure_sqlite import SqliteSaver
from perdure.testing import grow
saver = SqliteSaver("left.db")
grow(saver, "t", 3)
print(len(saver.read("t", "main")))
"""


def test_program_that_does_not_close_leaves_no_warning(tmp_path: Path) -> None:
    """With warnings as errors and in development mode nothing is said at exit, and the events are there."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
