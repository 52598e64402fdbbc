"""The servers that tests run on: fresh databases quickly, servers that may crash, and none that is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import psycopg
import pytest

from tests.postgres.cluster import Cluster, Remote
from tests.postgres.installations import Installation, system, wheel
from tests.postgres.kinds import Servers, kinds
from tests.postgres.pooler import find_pgbouncer
from tests.postgres.room import Room, quick_folder
from tests.postgres.server import Programs, Server

ROOT = Path(__file__).parents[2]


def one(url: str, query: str) -> object:
    """Return the one value that a query finds."""
    with closing(psycopg.connect(url)) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def test_a_server_of_each_kind_answers(each_postgres: Cluster) -> None:
    """Every kind of server says which PostgreSQL it is."""
    with each_postgres.database() as url:
        assert str(one(url, "select version()")).startswith(f"PostgreSQL {each_postgres.version}")


def test_there_are_the_kinds_that_the_machine_has(postgres_servers: Servers) -> None:
    """PostgreSQL 18 is always there; what the distribution has installed is tested beside it."""
    assert postgres_servers.of_kind("18").version == 18
    assert ("system" in kinds()) == (system() is not None)


def test_two_databases_are_apart(each_postgres: Cluster) -> None:
    """What one test writes no other sees."""
    with each_postgres.database() as url, each_postgres.database() as other:
        assert url != other
        with psycopg.connect(url) as connection:
            connection.execute("create table notes (text text)")
        assert one(other, "select count(*) from pg_tables where tablename = 'notes'") == 0


def test_the_owner_of_databases_is_no_superuser(postgres: Cluster, postgres_url: str) -> None:
    """So what needs a superuser's rights fails in tests as it would in production; the administrator has them."""
    assert one(postgres_url, "select usesuper from pg_user where usename = current_user") is False
    assert one(postgres.admin_url_of(postgres_url), "select usesuper from pg_user where usename = current_user") is True


def test_a_database_that_was_left_is_dropped_with_its_sessions(postgres: Cluster) -> None:
    """A test that leaves a transaction open hinders no later one."""
    with postgres.database() as url:
        left = psycopg.connect(url)
        left.execute("create table notes (text text)")
    with closing(left), postgres.database() as other:
        assert one(other, "select count(*) from pg_stat_activity where state like 'idle in%'") == 0
        with pytest.raises(psycopg.OperationalError):
            left.commit()


def test_a_password_is_asked_for(own_postgres: Server) -> None:
    """Roles that a test creates come in by their password only."""
    with own_postgres.admin() as connection:
        connection.execute("create role alice login password 'secret'")
    assert one(own_postgres.url_of("postgres", user="alice", password="secret"), "select current_user") == "alice"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own_postgres.url_of("postgres", user="alice", password="guess"))


def test_a_crash_keeps_what_was_committed(own_postgres: Server) -> None:
    """A server that is stopped at once, and started again, has every committed row and no other."""
    url = own_postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("create table notes (text text)")
        connection.execute("insert into notes values ('kept')")
    with closing(psycopg.connect(url)) as connection:
        connection.execute("insert into notes values ('lost')")
        own_postgres.restart("immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert one(url, "select string_agg(text, ',') from notes") == "kept"
    assert "database system was not properly shut down" in own_postgres.log


def test_a_server_can_be_configured(own_postgres: Server, postgres_servers: Servers) -> None:
    """Before its first start, while it runs, and for the next start."""
    own_postgres.configure({"statement_timeout": "1234ms", "max_connections": "17"})
    deadline = time.monotonic() + 20
    while one(own_postgres.url, "show statement_timeout") != "1234ms" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert one(own_postgres.url, "show statement_timeout") == "1234ms"
    assert one(own_postgres.url, "show max_connections") == "200"
    own_postgres.restart()
    assert one(own_postgres.url, "show max_connections") == "17"
    with postgres_servers.private(settings={"fsync": "on"}) as server:
        assert one(server.url, "show fsync") == "on"


def test_a_server_that_cannot_start_says_why(postgres_servers: Servers) -> None:
    """The end of its log is in the error."""
    with pytest.raises(RuntimeError, match="max_connections"):
        postgres_servers.private(settings={"max_connections": "many"}).start()


def test_programs_that_only_root_may_read_are_copied(tmp_path: Path) -> None:
    """An environment in root's home serves as well as any. (Who is not root starts the programs where they are.)"""
    given = wheel()
    base = given.parts[0].parents[1]
    for part in filter(Path.exists, given.parts):
        shutil.copytree(part, tmp_path / part.relative_to(base), symlinks=True)
    tmp_path.chmod(0o700)
    parts = tuple(tmp_path / part.relative_to(base) for part in given.parts)
    private = Installation(tmp_path / given.programs.relative_to(base), parts)
    with Room(quick_folder()) as room, Programs(private, room).server() as server:
        assert server.version == 18
        assert (room.path / "programs").exists() == (os.geteuid() == 0)


def test_a_fresh_database_is_quick(postgres: Cluster) -> None:
    """A test can afford a database of its own. A tenth of the limit is usual; a busy machine takes longer."""
    times = []
    for _ in range(9):
        started = time.monotonic()
        with postgres.database():
            times.append(time.monotonic() - started)
    assert median(times) < 0.5


def test_a_server_of_somebody_else_is_left_as_it_was(own_postgres: Server) -> None:
    """Where `PERDURE_TEST_POSTGRES` names a server, databases and roles of the tests are gone when they are over."""
    everything = "select array_agg(datname::text order by 1) from pg_database"
    roles = "select array_agg(rolname::text order by 1) from pg_roles"
    before = one(own_postgres.url, everything), one(own_postgres.url, roles)
    with Remote(own_postgres.admin_url) as remote:
        # The server asks this role for its password.
        with remote.database() as url, remote.database() as other:
            assert one(url, "select current_user") == one(other, "select current_user") == remote.owner
        assert one(own_postgres.url, everything) != before[0]
    assert (one(own_postgres.url, everything), one(own_postgres.url, roles)) == before


ORPHAN = """
import os
from contextlib import ExitStack
from tests.postgres.kinds import Servers
with ExitStack() as stack:
    servers = Servers(stack)
    print(servers.of_kind("18").pid, servers.room.path, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_servers_do_not_outlive_who_started_them() -> None:
    """Where the tests' process is killed, its servers are ended and their files are removed."""
    killed = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pid, room = killed.stdout.split()
    deadline = time.monotonic() + 30
    while (Path(room).exists() or is_alive(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(room).exists()
    assert not is_alive(int(pid))


def test_servers_end_with_their_scope() -> None:
    """When the tests are over, nothing is left: no process and no file."""
    with ExitStack() as stack:
        servers = Servers(stack)
        server = servers.of_kind("18")
        assert isinstance(server, Server)
        pid, room = server.pid, servers.room.path
        assert is_alive(pid)
        assert room.exists()
    assert not is_alive(pid)
    assert not room.exists()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs. One that has ended, and whose parent has not asked how, does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] not in {"", "Z"}


# Where pgbouncer is not installed there is nothing to say of it.
if find_pgbouncer():

    def test_the_pooler_lends_connections_by_transaction(pooled_url: str) -> None:
        """Eight clients, all connected, are served by four connections."""
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(psycopg.connect(pooled_url))) for _ in range(8)]
            # A transaction holds its connection, so four are at work at once and the others wait their turn.
            held = [client.execute("select pg_backend_pid()").fetchone() for client in clients[:4]]
            assert len(set(held)) == 4
            for client in clients[:4]:
                client.commit()
            for client in clients[4:]:
                assert client.execute("select pg_backend_pid()").fetchone() in held
