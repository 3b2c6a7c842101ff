"""Wrong settings and absent servers end in a clear line within seconds."""

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from orchestrator.errors import ConfigError, DatabaseNotReady, ShardRefused, Unavailable
from orchestrator.store.connection import CONNECTION_DEFAULTS, OWNER_SESSION, TRANSACTION_TIMEOUT_SINCE, Server, connect
from orchestrator.store.meta import check_meta
from orchestrator.store.port import GENESIS, ShardRow
from orchestrator.store.postgres import PostgresStore
from tests.contract.store.batches import batch_after

SetOption = Callable[[str, str], None]

PATIENCE_OF_A_PERSON = 10.0
REFUSAL = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "teller"\0\0'


class Refusing(socketserver.BaseRequestHandler):
    """Answers every start-up message as Postgres answers a wrong password."""

    def handle(self) -> None:
        self.request.recv(4096)
        self.request.sendall(b"E" + struct.pack(">i", len(REFUSAL) + 4) + REFUSAL)


@contextmanager
def refusing_server() -> Generator[int]:
    with socketserver.TCPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def within_10_s() -> Generator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PATIENCE_OF_A_PERSON


def test_missing_database_says_so(database: str) -> None:
    gone = urlsplit(database)._replace(path="/nowhere").geturl()
    with within_10_s(), pytest.raises(ConfigError, match=r'database "nowhere" does not exist.*SAGA_DATABASE'):
        PostgresStore(gone).meta()


def test_unknown_user_says_so(database: str) -> None:
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    with within_10_s(), pytest.raises(ConfigError, match=r"teller.*check user and password in SAGA_DATABASE"):
        PostgresStore(parts._replace(netloc=f"teller:wrong@{host}").geturl()).shard(0)


def test_wrong_password_says_so_and_is_not_repeated() -> None:
    """A server that asks for no password cannot refuse one, and the tests' own may be such: so its answer is played."""
    with refusing_server() as port:
        address = f"postgresql://teller:geheim@127.0.0.1:{port}/bank?sslmode=disable"
        with within_10_s(), pytest.raises(ConfigError, match="check user and password in SAGA_DATABASE") as caught:
            PostgresStore(address).meta()
    assert "geheim" not in str(caught.value)
    assert "teller" in str(caught.value)


def test_server_that_is_not_there_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with within_10_s(), pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}/bank.*is it running") as caught:
        PostgresStore(f"postgresql://teller@127.0.0.1:{port}/bank").meta()
    assert str(caught.value).lower().count("running") == 1, "libpq asks it, too"


def test_server_that_never_answers_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"postgresql://teller@127.0.0.1:{listener.getsockname()[1]}/bank"
        with within_10_s(), pytest.raises(Unavailable, match="timeout"):
            PostgresStore(address).shard(0)


def test_host_without_address_says_so() -> None:
    with within_10_s(), pytest.raises(Unavailable, match=r"nowhere\.invalid"):
        PostgresStore("postgresql://teller@nowhere.invalid/bank").meta()


@pytest.mark.parametrize("address", ["localhost:5432", "postgresql://a@b/c?colour=red", "host"])
def test_address_that_is_none_says_what_one_looks_like(address: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://user:password@host:port/database"):
        PostgresStore(address)


def test_address_keeps_its_own_bounds_and_hides_its_password() -> None:
    server = Server.of("postgresql://teller:geheim@h:1/bank?connect_timeout=7&keepalives_idle=60")
    assert "connect_timeout=7" in server.dsn
    assert "keepalives_idle=60" in server.dsn
    assert f"tcp_user_timeout={CONNECTION_DEFAULTS['tcp_user_timeout']}" in server.dsn
    assert server.name == "h:1/bank as teller"
    assert "geheim" not in repr(server)


def test_database_without_tables_asks_for_migrate_or_is_lost(database: str) -> None:
    store, asked = (
        PostgresStore(database),
        "`saga migrate`; or, if sagas of this namespace have run already, `saga recover`",
    )
    with pytest.raises(ConfigError, match=asked):
        store.meta()
    with closing(store.shard(0)) as shard, pytest.raises(ConfigError, match=asked):
        shard.snapshot()


def test_another_format_of_the_tables_is_refused(dsn: str, watch: psycopg.Connection) -> None:
    watch.execute("update saga.meta set format = 99")
    with pytest.raises(ConfigError, match="run that version"):
        PostgresStore(dsn).meta()
    watch.execute("update saga.meta set format = 0")
    with pytest.raises(ConfigError, match="run `saga migrate`"):
        PostgresStore(dsn).meta()


def test_shard_that_newer_code_has_run_is_refused(dsn: str, watch: psycopg.Connection) -> None:
    watch.execute("update saga.shards set format = 99 where shard = 1")
    with closing(PostgresStore(dsn).shard(1)) as shard:
        with pytest.raises(ShardRefused, match="run that version") as caught:
            shard.take_over(batch_after)
        assert not isinstance(caught.value, DatabaseNotReady)
        assert shard.snapshot().row == ShardRow(1, 0, GENESIS, 0, 0, 0)


def test_other_namespace_or_number_of_shards_is_refused(dsn: str) -> None:
    meta = PostgresStore(dsn).meta()
    check_meta(meta, "bank", 4)
    with pytest.raises(ConfigError, match="SAGA_NAMESPACE=bank"):
        check_meta(meta, "shop", 4)
    with pytest.raises(ConfigError, match="SAGA_SHARDS=4"):
        check_meta(meta, "bank", 16)


def test_standby_is_unavailable(dsn: str, set_option: SetOption) -> None:
    set_option("default_transaction_read_only", "on")
    with closing(PostgresStore(dsn).shard(1)) as shard, pytest.raises(Unavailable, match="must lead to the primary"):
        shard.append(batch_after(ShardRow(1, 0, GENESIS, 0, 0, 0)))


def test_settings_that_lose_commits_are_warned_of(dsn: str, set_option: SetOption) -> None:
    def of_commits() -> list[str]:
        return [warning for warning in PostgresStore(dsn).durability_warnings() if "synchronous_commit" in warning]

    assert of_commits() == []
    set_option("synchronous_commit", "off")
    (warning,) = of_commits()
    assert warning.startswith("expected synchronous_commit = on in Postgres, got off: a crash")


def test_session_is_bounded_whatever_the_database_says(
    dsn: str, set_option: SetOption, watch: psycopg.Connection
) -> None:
    set_option("default_transaction_isolation", "serializable")
    set_option("lock_timeout", "0")
    server = Server.of(dsn)
    with connect(server, "saga shard 1", OWNER_SESSION) as connection:
        names = [*OWNER_SESSION, "application_name", "client_encoding"]
        found = {name: connection.execute("select current_setting(%s)", [name]).fetchone() for name in names}
    assert found["lock_timeout"] == ("2s",)
    assert found["default_transaction_isolation"] == ("read committed",)
    assert found["statement_timeout"] == ("10s",)
    assert found["idle_in_transaction_session_timeout"] == ("5s",)
    assert found["application_name"] == ("saga shard 1",)
    assert found["client_encoding"] == ("UTF8",)


def test_transaction_is_bounded_where_the_server_knows_how(dsn: str) -> None:
    with connect(Server.of(dsn), "saga shard 1", OWNER_SESSION) as connection:
        found = connection.execute("select setting from pg_settings where name = 'transaction_timeout'").fetchall()
        assert found == ([("15000",)] if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE else [])
