"""A real HTTP server on a socket, which fails in every way that servers fail: it sends exactly what a test says."""

import json
import socketserver
import struct
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeAlias


class Fault(Enum):
    RESET = "the connection is reset"
    CLOSE = "the connection is closed"
    SILENCE = "nothing more comes, and the connection stays open"
    DRIP = "spaces come, now and then, for ever"


Part: TypeAlias = bytes | Fault


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def response(status: int, body: object = None, headers: dict[str, str] | None = None) -> list[Part]:
    """A whole response; ``body`` is sent as JSON, bytes as they are."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = {"content-length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return [f"HTTP/1.1 {status} So\r\n{head}\r\n".encode(), content]


class HttpServer(socketserver.ThreadingTCPServer):
    """Answers each request with what ``answer`` gives for it, and keeps what it received."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.received: list[Received] = []
        self.answer: Callable[[Received], Iterable[Part]] = lambda _: response(500, b"no answer yet")
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, *parts: Part) -> None:
        """The same answer to every request."""
        self.answer = lambda _: parts


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while (received := self._read()) is not None:
            self._server.received.append(received)
            for part in self._server.answer(received):
                if not self._write(part):
                    return

    @property
    def _server(self) -> HttpServer:
        assert isinstance(self.server, HttpServer)
        return self.server

    def _read(self) -> Received | None:
        try:
            first = self.rfile.readline().decode()
        except ConnectionError:
            return None
        if not first:
            return None
        method, path, _ = first.split()
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            assert name.lower() not in headers, f"the header {name} came twice"
            headers[name.lower()] = value.strip()
        return Received(method, path, headers, self.rfile.read(int(headers.get("content-length", 0))))

    def _write(self, part: Part) -> bool:
        """Whether the connection lives on."""
        match part:
            case bytes():
                self.wfile.write(part)
                return True
            case Fault.RESET:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case Fault.CLOSE:
                pass
            case Fault.SILENCE:
                self._server.closing.wait()
            case Fault.DRIP:
                self._drip()
        return False

    def _drip(self) -> None:
        try:
            while not self._server.closing.wait(0.02):
                self.wfile.write(b" ")
        except ConnectionError:
            pass


@contextmanager
def running() -> Generator[HttpServer]:
    """A server on a free port, in threads of its own."""
    with HttpServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
