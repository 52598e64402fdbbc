"""A PostgreSQL server in a container, where Docker runs, by testcontainers. It is imported here only, and only then."""

import shutil
import subprocess
from functools import cache
from typing import Any, Final, Self

from tests.postgres.cluster import Remote

IMAGE: Final = "postgres:18-alpine"


@cache
def available() -> bool:
    """Tell whether Docker runs, and has what it takes or can fetch it."""
    return shutil.which("docker") is not None and docker("info", 20) and all(present(image) for image in images())


def images() -> list[str]:
    """Return the images: the server's, and the one that removes it should we be killed, unless that is switched off."""
    from testcontainers.core.config import testcontainers_config as config  # noqa: PLC0415

    return [IMAGE] if config.ryuk_disabled else [IMAGE, config.ryuk_image]


def present(image: str) -> bool:
    """Tell whether an image is here now."""
    return docker(f"image inspect {image}", 20) or docker(f"pull {image}", 600)


def docker(command: str, seconds: float) -> bool:
    """Run a command of Docker's, and tell whether it succeeded in time."""
    try:
        done = subprocess.run(["docker", *command.split()], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Container(Remote):
    """A server in a container of its own. A `with` runs it."""

    def __init__(self) -> None:
        super().__init__("")
        self._container: Any = None

    def __enter__(self) -> Self:
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

        self._container = PostgresContainer(
            IMAGE, username="postgres", password="postgres", dbname="postgres", driver=None
        )  # fmt: skip
        self._container.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=200")
        try:
            self._container.start()
            self.admin_url = self._container.get_connection_url()
            return super().__enter__()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._container.stop()
