"""PostgreSQL refuses to run as root. Where the tests are root, its programs run as `nobody`, in files of nobody's."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from pwd import getpwnam
from typing import TypedDict

from tests.postgres.installations import Installation


class Account(TypedDict, total=False):
    """What `subprocess` needs to know to start a program as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """Return whom PostgreSQL's programs run as: ourselves, unless we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(path: Path) -> None:
    """Give a file, or a folder with all that is in it, to the account."""
    whose = account()
    if whose:
        for place in (path, *path.rglob("*")):
            os.chown(place, whose["user"], whose["group"], follow_symlinks=False)


def run(command: Sequence[str | Path], said: str = "") -> str:
    """Run a program as the account, to its end, and return what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=said, capture_output=True, text=True, cwd="/", check=False, **account())
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def launch(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program as the account and let it run. It is in a session of its own: what interrupts us spares it."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/", start_new_session=True, **account()
        )  # fmt: skip


def within_reach(installation: Installation, room: Path) -> Path:
    """Return the folder of the programs: their own, or a copy in `room` where the account may not go to their own."""
    try:
        run([installation.programs / "postgres", "--version"])
    except PermissionError:
        base = installation.parts[0].parents[1]
        for part in filter(Path.exists, installation.parts):
            shutil.copytree(part, room / "programs" / part.relative_to(base), symlinks=True)
        hand_over(room / "programs")
        return room / "programs" / installation.programs.relative_to(base)
    return installation.programs
