"""Savers by URL: what each scheme takes, and what is refused how."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import perdure_memory
import perdure_sqlite
from perdure.errors import MissingDriverError, UsageError
from perdure.ids import MAIN_BRANCH
from perdure.ports import Saver
from perdure.saver_urls import open_saver, parse_saver_url
from perdure.testing import grow


def test_memory_url_makes_a_new_saver() -> None:
    """Each call is an empty saver; options are its arguments."""
    saver = perdure_memory.from_url("memory:")
    grow(saver, "t")
    assert perdure_memory.from_url("memory:").tail() == []
    assert perdure_memory.from_url("memory:?tenant=acme&max_bytes=5000").tenant == "acme"


def test_sqlite_url_of_an_absolute_path(tmp_path: Path) -> None:
    """Four slashes; the path is decoded; options are the saver's arguments."""
    with perdure_sqlite.from_url(f"sqlite:///{tmp_path}/a%20b%23.db?tenant=acme&synchronous=normal&timeout=2") as saver:
        assert saver.tenant == "acme"
        grow(saver, "t")
    assert (tmp_path / "a b#.db").exists()


def test_sqlite_url_of_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes."""
    monkeypatch.chdir(tmp_path)
    with perdure_sqlite.from_url("sqlite:///log.db") as saver:
        grow(saver, "t")
    assert (tmp_path / "log.db").exists()


def test_sqlite_url_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file."""
    monkeypatch.chdir(tmp_path)
    with perdure_sqlite.from_url("sqlite:///:memory:") as saver:
        grow(saver, "t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("from_url", "url"),
    [
        (perdure_memory.from_url, "memory:file"),
        (perdure_memory.from_url, "memory:?max_bytes=many"),
        (perdure_memory.from_url, "memory:?size=3"),
        (perdure_memory.from_url, "sqlite:///x.db"),
        (perdure_sqlite.from_url, "sqlite:"),
        (perdure_sqlite.from_url, "sqlite:x.db"),
        (perdure_sqlite.from_url, "sqlite://x.db"),
        (perdure_sqlite.from_url, "sqlite:///"),
        (perdure_sqlite.from_url, "sqlite:///x.db?sync=OFF"),
        (perdure_sqlite.from_url, "sqlite:///x.db?synchronous=SOMETIMES"),
        (perdure_sqlite.from_url, "sqlite:///x.db?auto_setup=perhaps"),
        (perdure_sqlite.from_url, "sqlite:///x.db#part"),
        (perdure_sqlite.from_url, "sqlite:///x.db?tenant"),
        (open_saver, "x.db"),
        (open_saver, ""),
        (open_saver, "mysql://host/db"),
        (open_saver, "sqlite://[half"),
    ],
)
def test_wrong_urls_are_usage_errors(from_url: Callable[[str], Saver], url: str) -> None:
    """Nothing is guessed, and nothing is opened."""
    with pytest.raises(UsageError):
        from_url(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_missing_package_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A known scheme without its package says what to install, and does not repeat the password."""
    monkeypatch.setattr("perdure.saver_urls.entry_points", lambda **_: ())
    with pytest.raises(MissingDriverError, match="pip install perdure-checkpoint-postgres") as refused:
        open_saver(f"{scheme}://user:secret@host/db")
    assert "secret" not in str(refused.value)


def test_errors_do_not_repeat_the_url() -> None:
    """A URL may hold a password."""
    with pytest.raises(UsageError) as refused:
        open_saver("mysql://user:secret@host/db")
    assert "secret" not in str(refused.value)


def test_url_is_split() -> None:
    """Scheme, host, decoded path, options."""
    assert parse_saver_url("x://h:1/a%20b?c=d%26&e=") == ("x", "h:1", "/a b", {"c": "d&", "e": ""})


def test_open_saver_finds_the_installed_packages(tmp_path: Path) -> None:
    """One setting picks the saver; keyword options are the URL's."""
    urls = ["memory:", f"sqlite:///{tmp_path}/log.db?synchronous=OFF", "sqlite:///:memory:"]
    for url in urls:
        with open_saver(url, tenant="a&b") as saver:
            assert saver.tenant == "a&b"
            assert len(grow(saver, "t", 2)) == 2

    async def session() -> None:
        async with open_saver(urls[1], tenant="a&b") as saver:
            assert len(await saver.aread("t", MAIN_BRANCH)) == 2

    asyncio.run(session())
