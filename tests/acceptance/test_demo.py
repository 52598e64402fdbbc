"""The demo as its user meets it: real processes, real repositories, a real SIGKILL, a real terminal."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pexpect
import pytest

from perdure.codec import decode_event
from perdure.events import TaskSucceeded
from perdure.ports import Saver
from perdure_sqlite import SqliteSaver

DEMO = Path(__file__).parents[2] / "examples" / "release_notes.py"
SUBJECTS = (
    "feat(core): keep every step",
    "fix: answer once",
    "Document the log",
    "perf!: read less",
    "Added forks",
    "chore: tidy up",
)


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def demo(folder: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the demo without a terminal."""
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run(
        [sys.executable, str(DEMO), *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(folder: Path, *words: str, path: str | None = None) -> str:
    """Run the demo and return what it showed; it must succeed silently on stderr."""
    run = demo(folder, *words, path=path)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def tasks(saver: Saver) -> list[tuple[str, str, str]]:
    """Return (thread, node, task id) of every recorded task."""
    found = []
    for record in saver.tail():
        event = decode_event(record)
        if isinstance(event, TaskSucceeded):
            found.append((record.thread_id, event.node, record.task_id))
    return found


def notes(folder: Path) -> dict[str, str]:
    """Return the files that the demo wrote, by the title in their names."""
    return {file.name.split(".")[1]: file.read_text(encoding="utf-8") for file in (folder / ".demo").glob("*.md")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for subject in SUBJECTS:
        git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)
    return folder


def test_the_whole_story_in_a_repository(repository: Path) -> None:
    """A SIGKILL in the fan-out costs nothing recorded, the file is written once, forks and chain are shown."""
    shown = told(repository, "--approve")
    [held] = re.findall(r"process \d+ is dead \(SIGKILL\); the log holds: (.+)\n", shown)
    assert set(held.split(", ")) == {"New", "Fixed", "Faster"}
    assert "3 tasks recorded before the crash, 3 run after it, 0 twice" in shown
    assert re.search(r"verified: \d+ events, 2 branches", shown)
    assert re.search(r"└── main: input · collect · summarise x 6 · draft\n *├── another-title: fork · update", shown)
    assert len(shown.splitlines()) <= 45
    with SqliteSaver(repository / ".demo" / "release_notes.db") as saver:
        done = tasks(saver)
    assert Counter(node for _, node, _ in done) == {
        "collect": 1,
        "summarise": 6,
        "draft": 1,
        "approve": 2,
        "write": 2,
    }
    written = notes(repository)
    assert written.keys() == {"release-notes-of-shop", "what-is-new-in-shop"}
    assert "## Thanks to\n\n- Ada (6 commits)\n" in written["release-notes-of-shop"]
    assert "- **breaking** read less (" in written["release-notes-of-shop"]
    assert written["what-is-new-in-shop"].splitlines()[0] == "# What is new in shop"
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=repository, capture_output=True, check=True).stdout == b""


def test_a_second_run_runs_nothing_and_again_begins_another_thread(repository: Path) -> None:
    """A thread that is done stays as it is, to the last byte of its files and its log."""
    told(repository, "--approve")
    files = {file: file.stat() for file in (repository / ".demo").glob("*.md")}
    database = repository / ".demo" / "release_notes.db"
    with SqliteSaver(database) as saver:
        before = saver.tail()
    shown = told(repository, "--approve")
    assert "Done already" in shown
    assert "another-title" in shown
    assert "verified" in shown
    assert {file: file.stat() for file in (repository / ".demo").glob("*.md")} == files
    with SqliteSaver(database) as saver:
        assert saver.tail() == before
    assert "0 twice" in told(repository, "--approve", "--again")
    with SqliteSaver(database) as saver:
        done = tasks(saver)
    assert len({thread for thread, _, _ in done}) == 2
    assert Counter(node for _, node, _ in done)["summarise"] == 12


def test_without_a_terminal_it_waits_for_a_flag(repository: Path) -> None:
    """Nobody answers for the human: the question stays open until a later process brings the answer."""
    shown = told(repository)
    assert "Paused" in shown
    assert "--approve" in shown
    assert notes(repository) == {}
    shown = told(repository, "--edit", "Made by hand.")
    assert "SIGKILL" not in shown
    assert "with the opening line 'Made by hand.'" in shown
    assert notes(repository)["release-notes-of-shop"].splitlines()[2] == "Made by hand."


@pytest.mark.parametrize(
    ("typed", "said", "written"),
    [
        pytest.param("", "approved; wrote", 2, id="enter"),
        pytest.param("For the impatient.", "with the opening line 'For the impatient.'", 2, id="another opening"),
        pytest.param("n", "rejected; wrote nothing", 0, id="no"),
    ],
)
def test_on_a_terminal_it_asks(repository: Path, typed: str, said: str, written: int) -> None:
    """The prompt's answer is the interrupt's answer."""
    terminal = pexpect.spawn(
        sys.executable, [str(DEMO)], cwd=str(repository), encoding="utf-8", timeout=60, dimensions=(60, 160)
    )
    terminal.expect("or type another opening line: ")
    terminal.sendline(typed)
    terminal.expect_exact(said)
    terminal.expect(r"verified: \d+ events")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert len(notes(repository)) == written


def test_ctrl_d_at_the_prompt_pauses(repository: Path) -> None:
    """Going away is no answer."""
    terminal = pexpect.spawn(sys.executable, [str(DEMO)], cwd=str(repository), encoding="utf-8", timeout=60)
    terminal.expect("or type another opening line: ")
    terminal.sendeof()
    terminal.expect("Paused")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "approved" in told(repository, "--approve")


def test_in_a_shallow_clone(repository: Path, tmp_path: Path) -> None:
    """One commit is enough, to crash as well; the demo says that there are more elsewhere."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), str(clone))
    shown = told(clone, "--approve")
    assert "a shallow clone: only its newest commits are here" in shown
    assert "1 task recorded before the crash, 1 run after it, 0 twice" in shown
    assert "\n1 commit.\n" in notes(clone)["release-notes-of-clone"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param(None, "this is no git repository", id="outside a repository"),
        pytest.param("", "git is not installed", id="without git"),
    ],
)
def test_the_bundled_log_stands_in(tmp_path: Path, path: str | None, why: str) -> None:
    """Without a repository, or without git, the notes are made from the sample, and the demo says so."""
    shown = told(tmp_path, "--approve", path=path)
    assert f"{why}, so the notes are made from sample_git.log" in shown
    assert "0 twice" in shown
    assert (
        "- **breaking** orders: take amounts in cents, not in floats (9f3c1ab)"
        in (notes(tmp_path)["release-notes-of-sample-project"])
    )


def test_a_repository_without_commits(tmp_path: Path) -> None:
    """A repository that was just begun has nothing to tell yet."""
    git(tmp_path, "init", "--quiet")
    assert "this repository has no commit yet, so the notes are made from" in told(tmp_path, "--approve")


def test_errors_are_one_line(tmp_path: Path) -> None:
    """What the user did wrong, without a traceback, with a failing exit code."""
    (tmp_path / "file").write_text("in the way")
    for words in (["--saver", "memory:"], ["--saver", "nosuch://x"], ["--folder", str(tmp_path / "file")]):
        run = demo(tmp_path, *words)
        assert run.returncode == 1
        assert re.fullmatch(r"release_notes: .+\n", run.stderr)
