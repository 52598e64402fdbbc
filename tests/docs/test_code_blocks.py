"""Every Python block of README.md and docs/ runs, in the order in which a reader meets it, and prints what is said.

The blocks of one file share a namespace and an empty working folder. A block that cannot run here says so in a comment
before it: `<!-- no-run: the reason -->`. Where a page's program prints, the page's `text` blocks that follow a Python
block are what it prints.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?P<skip><!-- no-run: \S.*? -->\s*)?^(?P<indent>[ ]*)```python[^\n]*\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
OUTPUT = re.compile(
    r"^(?P<indent>[ ]*)```\n\s*^(?P=indent)```text\n(?P<output>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
"""A `text` block that stands right behind another block."""


def program(text: str) -> str:
    """Return a page's blocks as one program in which every line has the number it has in the page."""
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        if not block["skip"]:
            first = text.count("\n", 0, block.start("code"))
            code = dedent(block["code"]).splitlines()
            lines[first : first + len(code)] = code
    return "\n".join(lines) + "\n"


def output(text: str) -> str:
    """Return what a page says that its program prints."""
    return "".join(dedent(said["output"]) for said in OUTPUT.finditer(text))


def pages() -> list[Path]:
    """Return every page with a block that runs."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [path for path in candidates if program(path.read_text(encoding="utf-8")).strip()]


def run(code: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page's program in a fresh process, its working folder `folder`, no switch set: as its reader does."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PERDURE_")}
    source = folder / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(source)]
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """A reader who copies a page's code from top to bottom sees no error, and what the page says is printed."""
    text = page.read_text(encoding="utf-8")
    done = run(program(text), page.stem + ".py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output(text)


PAGE = """# A page

```python
count = 1
```

<!-- no-run: needs a network -->
```python
count = 100
```

1. In a list:

   ```python
   count += 1
   print(count)
   ```

   ```text
   2
   ```

```text
A picture.
```

```console
$ not python
```
"""


def test_blocks_share_a_namespace_and_unrunnable_ones_are_left_out(tmp_path: Path) -> None:
    """Blocks run in order, also indented ones, without those that say they cannot."""
    done = run(program(PAGE), "page.py", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, output(PAGE), "")
    assert output(PAGE) == "2\n"


def test_a_failing_block_names_its_line_in_the_page(tmp_path: Path) -> None:
    """The traceback's line number is the page's."""
    done = run(program(PAGE.replace("print(count)", "print(missing)")), "page.py", tmp_path)
    assert done.returncode == 1
    assert "line 16, in <module>" in done.stderr
