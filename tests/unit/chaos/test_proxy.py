"""A way to a server that is cut, slow, or half open: seen from both ends of real sockets."""

import random
import socket
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, suppress

import pytest

from chaos.proxy import APPEND, END, HOST, Proxy, Way

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0
DELAY_S = 0.3
SHORT_S = 0.2


@pytest.fixture
def listener() -> Generator[socket.socket]:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture
def proxy(listener: socket.socket) -> Generator[Proxy]:
    with closing(Proxy(listener.getsockname())) as proxy:
        proxy.start()
        yield proxy


def connect(proxy: Proxy, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection through the proxy."""
    client = socket.create_connection((HOST, proxy.port), PATIENCE_S)
    server, _ = listener.accept()
    server.settimeout(PATIENCE_S)
    return client, server


def is_silent(end: socket.socket) -> bool:
    end.settimeout(SHORT_S)
    with suppress(TimeoutError):
        end.recv(1)
        return False
    end.settimeout(PATIENCE_S)
    return True


def has_ended(end: socket.socket) -> bool:
    with suppress(ConnectionError):
        return end.recv(1) == b""
    return True


def test_what_is_late_arrives_later_and_in_order(proxy: Proxy, listener: socket.socket) -> None:
    client, server = connect(proxy, listener)
    with client, server:
        proxy.delay_s = DELAY_S
        began = time.monotonic()
        client.sendall(b"a")
        assert server.recv(1) == b"a"
        assert time.monotonic() - began >= DELAY_S
        client.sendall(b"b")
        client.sendall(b"c")
        assert server.recv(1) == b"b"
        proxy.delay_s = 0.0
        client.sendall(b"d")
        received = b""
        while len(received) < 2:
            received += server.recv(1)
        assert received == b"cd"


def test_everything_is_cut_and_who_comes_again_is_let_in(proxy: Proxy, listener: socket.socket) -> None:
    ends = [*connect(proxy, listener), *connect(proxy, listener)]
    proxy.cut()
    assert [has_ended(end) for end in ends] == [True] * 4
    for end in ends:
        end.close()
    client, server = connect(proxy, listener)
    with client, server:
        server.sendall(b"a")
        assert client.recv(1) == b"a"


def test_a_connection_that_was_used_in_the_silence_stays_silent_until_it_is_cut(
    proxy: Proxy, listener: socket.socket
) -> None:
    old, old_server = connect(proxy, listener)
    proxy.way = Way.SILENT
    old.sendall(b"a")
    assert proxy.lost.wait(PATIENCE_S)
    proxy.way = Way.OPEN
    new, new_server = connect(proxy, listener)
    with old, old_server, new, new_server:
        new.sendall(b"b")
        assert new_server.recv(1) == b"b"
        assert is_silent(old_server)
        proxy.cut()
        assert has_ended(old)
        assert has_ended(old_server)


def test_the_end_of_a_request_is_held_however_many_pieces_it_comes_in(proxy: Proxy, listener: socket.socket) -> None:
    client, server = connect(proxy, listener)
    with client, server:
        proxy.way = Way.HOLDS_THE_END
        client.sendall(b"a" * APPEND)
        assert server.recv(APPEND, socket.MSG_WAITALL) == b"a" * APPEND  # not large: it passes
        for piece in (b"b" * 2 * APPEND, b"c" * END, b"the end"):
            client.sendall(piece)
        passed = b"b" * 2 * APPEND + b"c" * END + b"the end"
        assert server.recv(len(passed) - END, socket.MSG_WAITALL) == passed[:-END]
        assert is_silent(server)


def test_a_share_of_the_connections_is_cut_or_stalls_and_the_others_go_on(
    proxy: Proxy, listener: socket.socket
) -> None:
    pairs = [connect(proxy, listener) for _ in range(20)]
    proxy.disturb(0.5, random.Random(1))
    assert proxy.lost.wait(PATIENCE_S)
    for client, _ in pairs:
        client.sendall(b"a")
    met = Counter(fate(server) for _, server in pairs)
    assert set(met) == {"goes on", "is cut", "stalls"}
    for pair in pairs:
        for end in pair:
            end.close()


def fate(server: socket.socket) -> str:
    """What becomes of a byte that its client has sent."""
    server.settimeout(SHORT_S)
    try:
        return "goes on" if server.recv(1) else "is cut"
    except ConnectionError:
        return "is cut"
    except TimeoutError:
        return "stalls"
