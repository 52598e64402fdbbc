"""What a reader of the documentation sees who copies an SQL block into psql."""

import os
import subprocess

from tests.postgres.installations import wheel


def psql(script: str, role: str = "") -> None:
    """Run a script as psql does and print what it prints, but for spaces at the ends of lines and for empty lines.

    It runs as the application's role, or as `role`: then `{ROLE}_URL` names the database.
    """
    url = os.environ[f"{role.upper()}_URL" if role else "DATABASE_URL"]
    command = [str(wheel().programs / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    print(*(line.rstrip() for line in done.stdout.splitlines() if line.strip()), sep="\n", end="\n" * bool(done.stdout))
    if done.returncode or done.stderr:
        raise AssertionError(done.stderr)
