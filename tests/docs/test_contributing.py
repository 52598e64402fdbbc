"""CONTRIBUTING.md names what there is: every module of the core, every command, every kind of test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CORE = ROOT / "libs/core/src/perdure"
WHOLE = {"channels", "codecs", "testing"}
"""Rooms that the page names as a whole."""


def test_every_module_is_named() -> None:
    """Whoever looks for the place of something finds it on the page."""
    paths = [path.relative_to(CORE) for path in CORE.rglob("*.py") if path.name != "__init__.py"]
    modules = {path.stem for path in paths if path.parts[0] not in WHOLE}
    assert {name for name in modules | {f"{room}/" for room in WHOLE} if f"`{name}`" not in PAGE} == set()


def test_every_command_is_named() -> None:
    """Each target that `make help` lists, but for `help` itself and the half of `check` that has no use alone."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {target for target in targets if f"make {target}`" not in PAGE} - {"help", "format-check"} == set()


def test_every_kind_of_test_is_named() -> None:
    """Each folder that has tests."""
    folders = {path.parent.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/test_*.py")}
    assert {name for name in folders if f"| `{name}` |" not in PAGE} == set()
