"""A wire between a client and the server that breaks where a test wants it: after the server did what it was asked."""

import contextlib
import selectors
import socket
from threading import Lock, Thread
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict

READY: Final = tuple(b"Z\0\0\0\5" + status for status in (b"I", b"T", b"E"))
"""How the server's answer to a request ends: it is outside a transaction, inside one, or inside a failed one."""


class Proxy:
    """Listens on a port of its own, and hands on what comes. A `with` runs it."""

    def __init__(self, url: str) -> None:
        """`url` leads to the database without it."""
        self._url = url
        self._mark: bytes | None = None
        self._lock = Lock()
        self.broken = 0
        """How many answers were lost."""
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The URL of the database through the wire."""
        parts = urlsplit(self._url)
        whose = parts.netloc.rpartition("@")[0]
        host, port = self._listener.getsockname()
        options = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("host", "port")]
        query = urlencode([*options, ("sslmode", "disable"), ("gssencmode", "disable")])
        return urlunsplit(parts._replace(netloc=f"{whose}@{host}:{port}" if whose else f"{host}:{port}", query=query))

    def lose_answer_to(self, mark: bytes) -> None:
        """Break the connection when the next request that holds these bytes was served, and before anybody hears."""
        self._mark = mark

    def __enter__(self) -> Self:
        Thread(target=self._serve, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._connect, args=(client,), name="proxy", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        known = conninfo_to_dict(self._url)
        host, port = str(known.get("host") or "localhost"), known.get("port") or 5432
        local = host.startswith("/")
        with client, socket.socket(socket.AF_UNIX if local else socket.AF_INET) as server:
            server.connect(f"{host}/.s.PGSQL.{port}" if local else (host, int(port)))
            with contextlib.suppress(OSError):  # one end broke off
                self._hand_on(client, server)

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)
            doomed, answer = False, b""
            while True:
                for key, _ in selector.select():
                    found = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not found:
                        return
                    if key.fileobj is client:
                        doomed = doomed or self._takes_mark(found)
                        server.sendall(found)
                    elif not doomed:
                        client.sendall(found)
                    else:
                        answer += found
                        if answer.endswith(READY):
                            self.broken += 1
                            return

    def _takes_mark(self, request: bytes) -> bool:
        with self._lock:
            if self._mark is None or self._mark not in request:
                return False
            self._mark = None
            return True
