"""From `git log` to groups of commits, and from a group to a section of the notes: plain rules, nothing durable.

Outside a git repository, or without git, a bundled sample log stands in.
"""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple, TypedDict

SAMPLE: Final = Path(__file__).parents[1] / "sample_git.log"
NEWEST: Final = 300
"""Commits read at most."""

HEADINGS: Final = {
    "feat": "New",
    "fix": "Fixed",
    "perf": "Faster",
    "docs": "Documentation",
    "refactor": "Tidied",
    "test": "Tests",
    "chore": "House",
    "revert": "Taken back",
    "other": "Other",
    "thanks": "Thanks to",
}
"""Kind of commit → heading, in the order of the notes."""
ALIASES: Final = {"feature": "feat", "style": "refactor", "tests": "test", "build": "chore", "ci": "chore"}
VERBS: Final = {
    "feat": ("add", "allow", "implement", "introduce", "support"),
    "fix": ("correct", "fix", "mend", "repair", "resolve"),
    "perf": ("optimise", "optimize", "speed"),
    "docs": ("describe", "document", "explain"),
    "refactor": ("clean", "extract", "move", "rename", "simplify", "tidy"),
    "test": ("check", "prove", "test"),
    "chore": ("bump", "prepare", "release", "update", "upgrade"),
    "revert": ("revert",),
}
"""How a subject without a kind begins."""
SUBJECT: Final = re.compile(r"(?P<kind>[A-Za-z]+)(?:\((?P<scope>[^)]*)\))?(?P<breaking>!)?:\s+(?P<text>\S.*)")
VERB_TO_KIND: Final = {verb: kind for kind, verbs in VERBS.items() for verb in verbs}


class Commit(TypedDict):
    """One line of the log, classified."""

    hash: str
    author: str
    kind: str
    scope: str
    text: str
    breaking: bool


class Group(TypedDict):
    """The commits of one kind."""

    kind: str
    commits: list[Commit]


class Section(TypedDict):
    """A heading of the notes and what stands below it."""

    heading: str
    lines: list[str]


class Source(NamedTuple):
    """Where the commits come from."""

    project: str
    head: str
    """The commit that the notes lead up to; "" for the sample."""
    remark: str

    @property
    def name(self) -> str:
        """The commit in short, or `sample`."""
        return self.head[:10] or "sample"


def find_source() -> Source:
    """Return the repository around the current folder, or the sample, with a remark that says why."""
    try:
        top = _git("rev-parse", "--show-toplevel")
    except FileNotFoundError:
        return _sample("git is not installed")
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace")
        return _sample("this is no git repository" if "not a git repository" in said else f"git: {said.strip()}")
    try:
        head = _git("rev-parse", "--verify", "HEAD")
    except subprocess.CalledProcessError:
        return _sample("this repository has no commit yet")
    shallow = _git("rev-parse", "--is-shallow-repository") == "true"
    return Source(Path(top).name, head, "a shallow clone: only its newest commits are here" if shallow else "")


def read_commits(head: str) -> list[Commit]:
    """Return the commits up to `head` ("": those of the sample), newest first, without merges if there are others."""
    if head:
        text = _git("log", f"--max-count={NEWEST}", "--no-show-signature", "--format=%h%x09%an%x09%s", head)
    else:
        text = SAMPLE.read_text(encoding="utf-8")
    commits = [parse(line) for line in text.splitlines() if line.count("\t") >= 2]
    return [one for one in commits if not one["text"].startswith("Merge ")] or commits


def parse(line: str) -> Commit:
    """Read `hash TAB author TAB subject`; a conventional commit says its kind, any other is judged by its verb."""
    id, author, subject = line.split("\t", 2)
    found = SUBJECT.fullmatch(subject)
    if found is not None:
        kind = found["kind"].lower()
        kind = ALIASES.get(kind, kind)
        if kind in HEADINGS:
            return Commit(
                hash=id,
                author=author,
                kind=kind,
                scope=found["scope"] or "",
                text=found["text"],
                breaking=found["breaking"] is not None,
            )
    text = subject.strip() or "(no message)"
    return Commit(hash=id, author=author, kind=_kind_of_verb(text), scope="", text=text, breaking=False)


def _kind_of_verb(text: str) -> str:
    word = re.split(r"\W", text, maxsplit=1)[0].lower()
    stems = (word.removesuffix(ending) for ending in ("", "s", "es", "d", "ed"))  # adds, fixes, moved, added
    return next((VERB_TO_KIND[stem] for stem in stems if stem in VERB_TO_KIND), "other")


def group(commits: list[Commit]) -> list[Group]:
    """Return the commits by kind, in the order of the headings, and once more all of them, for the thanks."""
    by_kind: dict[str, list[Commit]] = {"thanks": commits}
    for commit in commits:
        by_kind.setdefault(commit["kind"], []).append(commit)
    return [Group(kind=kind, commits=by_kind[kind]) for kind in HEADINGS if kind in by_kind]


def summarise(kind: str, commits: list[Commit]) -> Section:
    """Return a group's section."""
    lines = _people(commits) if kind == "thanks" else _changes(commits)
    return Section(heading=HEADINGS[kind], lines=lines)


def many(count: int, thing: str) -> str:
    """Return `1 commit`, `2 commits`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _changes(commits: list[Commit]) -> list[str]:
    """Return what breaks first, commits of one scope together, the same text once."""
    hashes: dict[str, list[str]] = {}
    for one in sorted(commits, key=lambda one: (not one["breaking"], one["scope"])):
        scope = f"{one['scope']}: " if one["scope"] else ""
        hashes.setdefault(f"{'**breaking** ' if one['breaking'] else ''}{scope}{one['text']}", []).append(one["hash"])
    return [f"{text} ({', '.join(every)})" for text, every in hashes.items()]


def _people(commits: list[Commit]) -> list[str]:
    times = Counter(one["author"] for one in commits)
    return [f"{author} ({many(count, 'commit')})" for author, count in times.most_common()]


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return run.stdout.decode(errors="replace").strip()


def _sample(why: str) -> Source:
    return Source("sample-project", "", f"{why}, so the notes are made from {SAMPLE.name}")
