"""A page of the documentation, read as a program and as what that program prints."""

import re
from textwrap import dedent

COMMENT = r"(?:<!-- (?P<word>[a-z-]+): (?P<said>(?:(?!-->).)+?) -->\s*)?"
BLOCK = re.compile(
    COMMENT + r"^(?P<indent>[ ]*)```(?P<language>python|sql)[^\n]*\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
OUTPUT = re.compile(
    r"^(?P<indent>[ ]*)```\n\s*^(?P=indent)```text\n(?P<output>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
"""A `text` block that stands right behind another block."""
VARIES = re.compile(r"<!-- varies: (\S.*?) -->")
DATABASE = re.compile(r"DATABASE_URL|^[ ]*```sql", re.MULTILINE)
PSQL = "from tests.docs.psql import psql; psql(r'''"


def program(text: str) -> str:
    """Return a page's blocks as one program in which every line has the number it has in the page.

    An SQL block is handed to psql; a comment before it may say whose block it is (`<!-- as: administrator -->`).
    """
    lines = [""] * (text.count("\n") + 2)
    for block in BLOCK.finditer(text):
        if block["word"] == "no-run":
            continue
        first = text.count("\n", 0, block.start("code"))
        code = dedent(block["code"]).splitlines()
        lines[first : first + len(code)] = code
        if block["language"] == "sql":
            role = block["said"] if block["word"] == "as" else ""
            lines[first - 1], lines[first + len(code)] = PSQL, f"''', {role!r})"
    return "\n".join(lines) + "\n"


def output(text: str) -> str:
    """Return what a page says that its program prints."""
    return "".join(dedent(said["output"]) for said in OUTPUT.finditer(text))


def masked(printed: str, text: str) -> str:
    """Return what was printed without what a page says is another each time."""
    for pattern in VARIES.findall(text):
        printed = re.sub(pattern, "~", printed)
    return printed


def needs_database(text: str) -> bool:
    """Tell whether a page's program needs PostgreSQL."""
    return DATABASE.search(text) is not None
