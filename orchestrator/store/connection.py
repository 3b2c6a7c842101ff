"""Connections to Postgres: their bounds, how one is broken from another thread, and psycopg's errors in our words.

Nothing else in the product translates errors of Postgres.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import certificates
from orchestrator.errors import AccessDenied, BatchRefused, ConfigError, OrchestratorError, Unavailable
from orchestrator.store import queries

_SQL: Final = queries.load()

CONNECTION_DEFAULTS: Final[Mapping[str, str | int]] = {
    # For each address of the host: `localhost` has two, and an unreachable server is reported within 10 s.
    "connect_timeout": 4,
    # A server that vanished without a word is noticed after 5 + 3 * 2 s, or 10 s with data on the way.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
}
"""Used unless SAGA_DATABASE says otherwise."""

LOCK_TIMEOUT_MS: Final = 2_000
"""How long a statement waits for a row: a former owner that hangs in a transaction holds up nobody for longer."""
SESSION: Final[Mapping[str, str]] = {
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": "10000",
    "idle_in_transaction_session_timeout": "5000",
    "idle_session_timeout": "0",
    # The compare-and-set reports a lost race as no row, not as a serialization failure.
    "default_transaction_isolation": "read committed",
}
OWNER_SESSION: Final[Mapping[str, str]] = {
    **SESSION,
    # One plan for each statement, made once. All of them are look-ups by key, whose tables may be empty, and so without
    # statistics, when the plan is made.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "jit": "off",
}
"""For a connection that serves a shard."""
READER_SESSION: Final[Mapping[str, str]] = {**SESSION, "default_transaction_read_only": "on"}
RECOVERY_SESSION: Final[Mapping[str, str]] = {
    **OWNER_SESSION,
    # A passage has more rows than a batch, and whoever changes the state waits for those that append.
    "lock_timeout": "10000",
    "statement_timeout": "0",
}
"""For `saga recover`."""
SNAPSHOT_SESSION: Final[Mapping[str, str]] = {
    **READER_SESSION,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "60000",
}
"""For who reads all of a shard at one moment, at their own pace."""
MIGRATION_SESSION: Final[Mapping[str, str]] = {
    **SESSION,
    # Waits neither long in front of the living traffic, nor is it cut off while it rewrites a table.
    "lock_timeout": "10000",
    "statement_timeout": "0",
}
TRANSACTION_TIMEOUT: Final = "15000"
"""Of sessions with a statement timeout, where the server knows it."""
TRANSACTION_TIMEOUT_SINCE: Final = 170_000
"""Postgres 17."""
SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
"""Asks for TLS (Postgres manual, "Message Formats": SSLRequest)."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to, and as whom; never prints the password."""

    dsn: str = field(repr=False)
    name: str
    """``host:port/database as user``, for a person."""

    @classmethod
    def of(cls, dsn: str) -> "Server":
        """Parse an address. Raises ``ConfigError`` when it cannot be parsed."""
        try:
            parts = conninfo_to_dict(dsn)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"expected postgresql://user:password@host:port/database in SAGA_DATABASE, got something else: {error}"
            ) from error
        host, port = parts.get("host") or "localhost", parts.get("port") or 5432
        user = parts.get("user")
        name = f"{host}:{port}/{parts.get('dbname') or user or ''}" + (f" as {user}" if user else "")
        return cls(make_conninfo("", **{**CONNECTION_DEFAULTS, **parts}), name)


def connect(
    server: Server,
    purpose: str,
    session: Mapping[str, str],
    watched: Callable[[psycopg.Connection], AbstractContextManager[object]] = nullcontext,
) -> psycopg.Connection:
    """An autocommit connection with these session settings; ``purpose`` is what ``pg_stat_activity`` shows.

    ``watched`` surrounds the first question to the server: to connect has a bound of its own, ``connect_timeout``.
    Raises ``Unavailable``, and ``ConfigError`` for wrong credentials or a missing database.
    """
    with translated(server):
        connection = psycopg.connect(make_conninfo(server.dsn, application_name=purpose), autocommit=True)
        try:
            with watched(connection):
                _set(connection, session)
        except BaseException:
            connection.close()
            raise
        return connection


def _set(connection: psycopg.Connection, session: Mapping[str, str]) -> None:
    settings = dict(session)
    if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE and settings.get("statement_timeout") != "0":
        settings["transaction_timeout"] = TRANSACTION_TIMEOUT
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    connection.execute(f"select {calls}".encode(), [text for pair in settings.items() for text in pair])


def check_durability(connection: psycopg.Connection) -> list[str]:
    """Warnings for a person, one for each setting of the server with which a committed batch can be lost."""
    consequences = {
        "fsync": "a crash of the machine corrupts the database",
        "full_page_writes": "a crash of the machine can corrupt the database",
        "synchronous_commit": "a crash of the server loses committed batches, and then the shards refuse to run",
    }
    return [
        f"expected {name} = on in Postgres, got {setting}: {consequences[name]}; set it on, or run without promises"
        for name, setting in connection.execute(_SQL["durability"]).fetchall()
        if setting == "off"
    ]


class Breaker:
    """Breaks a connection from another thread.

    Holds a duplicate of the socket's descriptor, so it cannot hit one that was closed and given to another file
    meanwhile. libpq's own objects are not touched: only the connection's thread may use them.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._socket: socket.socket | None = socket.socket(fileno=os.dup(connection.fileno()))
        self._lock = threading.Lock()

    def trip(self) -> None:
        """End the connection: the call that waits on it fails at once. Harmless when repeated, and after ``close``."""
        with self._lock:
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the server was faster

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class Watch:
    """The connections that are in use now, to be broken from another thread when they hang."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[Breaker, float] = {}

    @contextmanager
    def over(self, connection: psycopg.Connection) -> Generator[None]:
        """While inside, ``connection`` is in use."""
        breaker = Breaker(connection)
        with self._lock:
            self._since[breaker] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._since[breaker]
            breaker.close()

    def interrupt(self, longer_than_s: float) -> bool:
        """Break those that are in use for longer; whether there were any."""
        until = time.monotonic() - longer_than_s
        with self._lock:
            hanging = [breaker for breaker, since in self._since.items() if since < until]
        for breaker in hanging:
            breaker.trip()
        return bool(hanging)


# ---------------------------------------------------------------- errors

_MIGRATE: Final = "run `saga migrate`"
_NO_TABLES: Final = f"{_MIGRATE}; or, if sagas of this namespace have run already, `saga recover`"
"""A new database, or one that is lost."""
_ACCESS_STATES: Final[Mapping[str, str]] = {
    "28000": "check user and password in SAGA_DATABASE, and the server's pg_hba.conf",
    "28P01": "check user and password in SAGA_DATABASE",
    "42501": "grant the right to this user, or use the user who ran `saga migrate`",
}
_CONFIG_STATES: Final[Mapping[str, str]] = {
    "3D000": "create the database, or correct its name in SAGA_DATABASE",
    "3F000": _NO_TABLES,
    "42P01": _NO_TABLES,
    "42703": _MIGRATE,
    "42P07": "something else has made this table in schema saga: use another database",
}
"""What an operator must do, by SQLSTATE; those of ``_ACCESS_STATES`` are about who we are and what we may."""
_REFUSED_CLASSES: Final = ("22", "23", "54")
"""Data exception, integrity constraint violation, program limit exceeded: the batch can never be stored as it is."""
_REFUSED_STATES: Final = ("21000",)
"""The same row twice in one batch."""
_UNAVAILABLE_CLASSES: Final = ("08", "40", "53", "55", "57", "58", "XX")
"""Connection, rollback, resources, not in state, operator intervention, system and internal errors."""
_UNAVAILABLE_STATES: Final[Mapping[str, str]] = {
    "25006": "it is a standby or read-only: the address must lead to the primary (target_session_attrs=read-write)",
    "25P03": "the session was idle in a transaction for too long",
    "25P04": "the transaction took too long",
}
_AT_CONNECT: Final[tuple[tuple[re.Pattern[str], type[ConfigError], str], ...]] = (
    (re.compile(r"password authentication failed|no password supplied"), AccessDenied, _ACCESS_STATES["28P01"]),
    (
        re.compile(r'role ".*" does not exist|no pg_hba\.conf entry|authentication failed'),
        AccessDenied,
        _ACCESS_STATES["28000"],
    ),
    (re.compile(r'database ".*" does not exist'), ConfigError, _CONFIG_STATES["3D000"]),
    (re.compile(r"permission denied for database"), AccessDenied, _ACCESS_STATES["42501"]),
    (
        re.compile(r"does not support SSL|certificate|alert unknown ca"),
        AccessDenied,
        "correct sslmode and certificates in SAGA_DATABASE",
    ),
)
"""libpq gives no SQLSTATE for a failed connection, only a text; what is not recognised here is ``Unavailable``."""
_LIBPQ_ASKS: Final = re.compile(r" Is the server running [^?]*\?")
"""For each address that refuses; we ask it once, at the end."""


@contextmanager
def translated(server: Server) -> Generator[None]:
    """Raise the product's errors for psycopg's; a mistake in the product's own SQL stays as it is."""
    try:
        yield
    except psycopg.Error as error:
        ours = _translation(error, server)
        if ours is None:
            raise
        raise ours from error


def _translation(error: psycopg.Error, server: Server) -> OrchestratorError | None:
    state = error.sqlstate
    if state is None:
        return _without_state(error, " ".join(str(error).split()), server)
    text = error.diag.message_primary or str(error)  # without the detail: it shows the row, which is nobody's business
    if state in _ACCESS_STATES:
        return AccessDenied(f"Postgres at {server.name} refuses: {text}: {_ACCESS_STATES[state]}")
    if state in _CONFIG_STATES:
        return ConfigError(f"Postgres at {server.name} refuses: {text}: {_CONFIG_STATES[state]}")
    if state in _REFUSED_STATES or state.startswith(_REFUSED_CLASSES):
        return BatchRefused(f"Postgres at {server.name} refuses a batch: {text}")
    if state in _UNAVAILABLE_STATES:
        return Unavailable(f"Postgres at {server.name}: {text}: {_UNAVAILABLE_STATES[state]}")
    if state.startswith(_UNAVAILABLE_CLASSES):
        return Unavailable(f"Postgres at {server.name}: {text}")
    return None


def _without_state(error: psycopg.Error, text: str, server: Server) -> OrchestratorError | None:
    """What the server did not say itself: a failed or broken connection, or a value that psycopg cannot send."""
    if isinstance(error, psycopg.DataError):
        return BatchRefused(f"a batch holds what Postgres cannot store: {text}")
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    for pattern, kind, advice in _AT_CONNECT:
        if pattern.search(text):
            return kind(f"Postgres at {server.name} refuses: {text}{_reason(text, server)}: {advice}")
    text = _LIBPQ_ASKS.sub("", text)
    return Unavailable(f"Postgres at {server.name} does not answer: {text}: is it running, and is the address right?")


def _reason(text: str, server: Server) -> str:
    """What libpq leaves out of a certificate that does not pass."""
    if "certificate verify failed" not in text:
        return ""
    parts = conninfo_to_dict(server.dsn)
    # Of several hosts the first: it is what is tried first.
    host, port = (str(parts.get(key) or usual).split(",")[0] for key, usual in (("host", "localhost"), ("port", 5432)))
    authorities = str(parts.get("sslrootcert") or "system")
    fault = certificates.fault(host, int(port), None if authorities == "system" else authorities, SSL_REQUEST)
    return f" ({fault})" if fault else ""
