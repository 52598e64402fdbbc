"""The demo's command line, and the folder it keeps its things in."""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

FOLDER: Final = ".demo"


class DemoError(Exception):
    """The demo cannot go on; the message is one line that says what to do."""


class Options(argparse.Namespace):
    """What the command line said."""

    approve: bool
    edit: str | None
    again: bool
    folder: Path
    saver: str | None
    worker: str | None
    crash: bool

    @property
    def url(self) -> str:
        """The saver's URL: a SQLite file in the folder unless told otherwise."""
        return self.saver or f"sqlite:///{self.folder / 'release_notes.db'}"

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer to the question, if a flag gives it."""
        if self.edit is not None:
            return {"approved": True, "opening": self.edit}
        return {"approved": True} if self.approve else None

    def command(self, *words: str) -> list[str]:
        """Return the command line of another process of this demo."""
        place = ["--folder", str(self.folder), *(["--saver", self.saver] if self.saver else [])]
        return [sys.executable, str(Path(sys.argv[0]).resolve()), *place, *words]

    @property
    def how_to_go_on(self) -> str:
        """Return what to type to answer the question later."""
        place = "" if self.folder == Path(FOLDER) else f" --folder {self.folder}"
        place += f" --saver {self.saver}" if self.saver else ""
        return f"python {sys.argv[0]}{place}{' --again' if self.again else ''} --approve   (or --edit TEXT)"


def read(words: list[str] | None = None) -> Options:
    """Read the command line. Raises DemoError for a saver that two processes cannot share."""
    parser = argparse.ArgumentParser(description="Draft release notes from git log with a durable workflow.")
    parser.add_argument("--approve", action="store_true", help="publish without asking")
    parser.add_argument("--edit", metavar="TEXT", help="publish without asking, with TEXT as the opening line")
    parser.add_argument("--again", action="store_true", help="begin another thread if this commit's is finished")
    parser.add_argument("--folder", type=Path, default=Path(FOLDER), help="where everything goes (%(default)s)")
    parser.add_argument("--saver", metavar="URL", help="where the log goes (a SQLite file in the folder)")
    parser.add_argument("--worker", metavar="THREAD", help=argparse.SUPPRESS)
    parser.add_argument("--crash", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words, Options())
    if options.url.startswith("memory:") or options.url.endswith(":memory:"):
        raise DemoError("the demo runs in several processes, so its log cannot be in the memory of one: name a file")
    return options


def make_folder(folder: Path) -> Path:
    """Make the folder; git shall not see it."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder
