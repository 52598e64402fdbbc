"""Every Python and SQL block of README.md and docs/ runs, in the order in which a reader meets it, and prints what is
said there.

The blocks of one file share a namespace and an empty working folder. A page that names `DATABASE_URL`, or speaks SQL,
gets a database of a server of its own. A block that cannot run here says so in a comment before it: `<!-- no-run: the
reason -->`. Where a page's program prints, the page's `text` blocks that follow a block are what it prints; what is
another each time, as times and ids are, the page names: `<!-- varies: regular expression -->`.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.pages import masked, needs_database, output, program
from tests.postgres.server import Server

ROOT = Path(__file__).parents[2]
DAY = 24 * 60 * 60


def pages() -> list[Path]:
    """Return every page with a block that runs."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [path for path in candidates if program(path.read_text(encoding="utf-8")).strip()]


def run(code: str, name: str, folder: Path, server: Server | None = None) -> subprocess.CompletedProcess[str]:
    """Run a page's program in a fresh process, its working folder `folder`, no switch set: as its reader does."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PERDURE_")}
    if server is not None:
        url = server.create_database()
        plain |= {"DATABASE_URL": url, "ADMINISTRATOR_URL": server.admin_url_of(url), "PYTHONPATH": str(ROOT)}
        plain["PGTZ"] = "UTC"
        wait_for_a_day()
    source = folder / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(source)]
    return subprocess.run(command, cwd=folder, env=plain, capture_output=True, text=True, timeout=120, check=False)


def wait_for_a_day() -> None:
    """Wait if the day is about to end: queries may count what a page has done today."""
    left = DAY - time.time() % DAY
    if left < 20:
        time.sleep(left)


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A reader who copies a page's code from top to bottom sees no error, and what the page says is printed."""
    text = page.read_text(encoding="utf-8")
    server = request.getfixturevalue("own_postgres") if needs_database(text) else None
    done = run(program(text), page.stem + ".py", tmp_path, server)
    assert done.returncode == 0, done.stderr
    assert masked(done.stdout, text) == masked(output(text), text)


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
QUERIES = """# A page with queries

<!-- varies: \\d{4}-\\d\\d-\\d\\d -->

```python
import os

url = os.environ["DATABASE_URL"]
```

```sql
CREATE TABLE words AS SELECT 'it''s \\u0000' AS word, DATE '2026-01-31' AS day;
SELECT word, day FROM words;
```

```text
    word     |    day
-------------+------------
 it's \\u0000 | 1999-12-31
(1 row)
```

<!-- as: administrator -->
```sql
SELECT current_user;
```

```text
 current_user
--------------
 postgres
(1 row)
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


def test_sql_blocks_print_what_psql_prints(tmp_path: Path, own_postgres: Server) -> None:
    """SQL runs between the Python blocks, as the role that the page names."""
    done = run(program(QUERIES), "page.py", tmp_path, own_postgres)
    assert (done.returncode, done.stderr) == (0, "")
    assert masked(done.stdout, QUERIES) == masked(output(QUERIES), QUERIES)


def test_a_failing_query_fails_its_page(tmp_path: Path, own_postgres: Server) -> None:
    """What psql complains about is told, with the line of the block."""
    done = run(program(QUERIES.replace("FROM words", "FROM nowhere")), "page.py", tmp_path, own_postgres)
    assert done.returncode == 1
    assert 'relation "nowhere" does not exist' in done.stderr
    assert "line 11, in <module>" in done.stderr
