"""docs/reference/savers.md names every option of the savers' URLs, and every column of PostgreSQL's view."""

import re
from pathlib import Path

import psycopg
import pytest

from perdure import open_saver
from perdure.errors import UsageError
from perdure_postgres import PostgresSaver
from perdure_postgres.url import OURS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference/savers.md").read_text(encoding="utf-8")
THE_LOG = (DOCS / "explanation/the-log.md").read_text(encoding="utf-8")


def options(heading: str) -> set[str]:
    """Return the options that a section's table names."""
    section = next(part for part in re.split(r"^##+ ", PAGE, flags=re.MULTILINE) if part.startswith(heading))
    table = section.partition("| option |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))


@pytest.mark.parametrize("url", ["memory:", "sqlite:///app.db"])
def test_every_option_is_named(url: str) -> None:
    """What a saver says it has, and no more, stands in its table."""
    with pytest.raises(UsageError) as caught:
        open_saver(url, nonsense=1)
    said = str(caught.value).partition("it has ")[2].rstrip(".").split(", ")
    assert options(f"`{url.partition(':')[0]}:") == set(said)


def test_every_option_of_postgresql_is_named() -> None:
    """PostgreSQL's saver hands on what it does not know: its own options are a list."""
    assert options("`postgresql:") == set(OURS)


def test_every_column_of_the_view_is_named(postgres_url: str) -> None:
    """A column stands in the table of the view, or among what is other on PostgreSQL."""
    with PostgresSaver(postgres_url) as saver, psycopg.connect(postgres_url) as connection:
        saver.setup()
        cursor = connection.execute("select * from perdure.event_log")
        columns = {column.name for column in cursor.description or ()}
    other = PAGE.partition("| column | PostgreSQL |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", THE_LOG + other, flags=re.MULTILINE)
    assert columns == set(re.findall(r"`(\w+)`", " ".join(rows)))
