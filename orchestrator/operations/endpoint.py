"""`/healthz`, `/readyz` and `/metrics` over HTTP, on the loopback address alone: nobody is asked who they are."""

import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from orchestrator.errors import ConfigError
from orchestrator.operations.report import CONTENT_TYPE, Report, Reports, text
from orchestrator.telemetry import logger

ADDRESS: Final = "127.0.0.1"
ASK_S: Final = 5.0
"""How long a connection may take to ask its question."""
PLAIN: Final = "text/plain; charset=utf-8"
_log = logger("operations")

Answer = tuple[HTTPStatus, str, bytes]


def answer(path: str, reports: Sequence[Report]) -> Answer:
    """What is told at a path: status, content type, body."""
    match path.partition("?")[0]:
        case "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, text(reports)
        case "/healthz":
            return _verdict([f"process {each.process}: {why}" for each in reports for why in each.unhealthy])
        case "/readyz":
            return _verdict(
                [f"process {each.process}: {why}" for each in reports for why in (*each.unhealthy, *each.unready)]
            )
        case _:
            return HTTPStatus.NOT_FOUND, PLAIN, b"expected /healthz, /readyz or /metrics\n"


def _verdict(problems: Sequence[str]) -> Answer:
    if problems:
        return HTTPStatus.SERVICE_UNAVAILABLE, PLAIN, "".join(f"{problem}\n" for problem in problems).encode()
    return HTTPStatus.OK, PLAIN, b"ok\n"


@contextmanager
def serving(port: int | None, reports: Reports) -> Generator[int | None]:
    """Answer at ``port`` within this block, 0: at a free one; gives the port. None: nobody listens.

    Raises ``ConfigError`` when the port is another's.
    """
    if port is None:
        yield None
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = ASK_S

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path, reports())
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
            """A probe that is answered every few seconds is no news."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - as socketserver calls it
            """A probe that does not wait for its answer is no news; a report that cannot be made is."""
            error = sys.exception()
            if not isinstance(error, OSError):
                _log.error("a question could not be answered", exc_info=error)

    try:
        server = Server((ADDRESS, port), Handler)
    except OSError as error:
        raise ConfigError(
            f"expected a free port for /metrics in SAGA_METRICS_PORT or --metrics-port, got {port}: {error.strerror}: "
            f"set another one, or 0 for any"
        ) from error
    found = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, name="operations", daemon=True)
    thread.start()
    _log.info("metrics", url=f"http://{ADDRESS}:{found}/metrics", also="/healthz /readyz")
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
