"""TLS in front of a Postgres that has none: that of the local stack is built without it.

Answers libpq's question for TLS, and terminates it, as a proxy in front of a database does.
"""

import select
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.local.ports import HOST

CHUNK = 1 << 16
SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
"""Postgres manual, "Message Formats": SSLRequest."""


def server_context(certificate: Path, key: Path, clients: Path | None = None) -> ssl.SSLContext:
    """``clients``: the authority that every client must have a certificate of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def tls_in_front_of(port: int, context: ssl.SSLContext) -> Generator[int]:
    """Gives the port on which ``port`` is had with TLS."""
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, port, context), name="tls")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, port: int, context: ssl.SSLContext) -> None:
    while True:
        try:
            client = listener.accept()[0]
        except OSError:  # shut down
            return
        threading.Thread(target=_serve, args=(client, port, context), name="tls", daemon=True).start()


def _serve(client: socket.socket, port: int, context: ssl.SSLContext) -> None:
    # A peer that goes away, or that takes no certificate of ours, is no error of the test.
    with suppress(OSError), client, socket.create_connection((HOST, port)) as server:
        if client.recv(len(SSL_REQUEST)) != SSL_REQUEST:
            return
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as encrypted:
            _pump(encrypted, server)


def _pump(encrypted: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        ready = [encrypted] if encrypted.pending() else select.select([encrypted, server], [], [])[0]
        for end in ready:
            data = end.recv(CHUNK)
            if not data:
                return
            (server if end is encrypted else encrypted).sendall(data)
