"""TCP ports of this computer: which are free, and who has the one that was asked for."""

import random
import socket
from contextlib import closing, suppress

import psutil

from orchestrator.errors import ConfigError, Unavailable

HOST = "127.0.0.1"
# Below the ranges that Linux (from 32768) and macOS (from 49152) give to outgoing connections, so that no connection
# takes a port between our look and the server's start.
RANGE = range(20_000, 30_000)
ATTEMPTS = 100


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(port: int, purpose: str) -> int:
    """Give the port back when it is free; raises `ConfigError`, which says who has it, when not."""
    if is_free(port):
        return port
    message = (
        f"expected port {port} to be free for {purpose}, got {_holder(port)} on it: "
        "end that, choose another port, or choose none and a free one is taken"
    )
    raise ConfigError(message)


def free_port(preferred: int | None = None) -> int:
    """Choose a free port: the preferred one when it is free, else any."""
    if preferred is not None and is_free(preferred):
        return preferred
    for _ in range(ATTEMPTS):
        # Not to be guessed by nobody, only not to be the same for two who start at the same time.
        port = random.choice(RANGE)  # noqa: S311
        if is_free(port):
            return port
    message = f"expected a free port between {RANGE.start} and {RANGE.stop}, got none in {ATTEMPTS} tries: free some"
    raise Unavailable(message)


def _holder(port: int) -> str:
    # Listing other users' connections needs root on macOS; the error is useful without a name.
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            # (host, port), or nothing for a socket that is not bound.
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"
