"""The inbox in a Postgres database: handler, effect and first answer commit together.

The driver is imported by whoever makes a ``PostgresInbox``, never by importing this module: a participant without an
inbox installs none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, cast

from orchestrator.errors import AccessDenied, ConfigError, Unavailable
from orchestrator.participant.inbox import REFUSED, SKIPPED, Delivery, Retryable
from orchestrator.wire.reply import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

TABLE: Final = """
create table if not exists saga_inbox (
    namespace   text not null,
    command_id  text not null,
    outcome     text,        -- null only inside the transaction that is answering
    type        text,
    schema      text,
    body        bytea,
    skipped     boolean not null default false,
    answered_at timestamptz not null default now(),
    primary key (namespace, command_id),
    constraint outcome_is_known check (outcome in ('completed', 'rejected', 'failed'))
)
"""
"""``answered_at`` is for whoever deletes old rows: see ``PostgresInbox``."""

_CREATE_LOCK: Final = 0x5A6A_1B0C
"""Of an advisory lock: two sessions that create one table at the same time collide in Postgres's catalogue."""

# Waits for a transaction that is answering the same command, then finds its row. The lock order is always the command's
# own row, then the row of the do it undoes, then whatever the handler locks.
_CLAIM: Final = "insert into saga_inbox (namespace, command_id) values (%s, %s) on conflict do nothing"

_STORED: Final = "select outcome, type, schema, body, skipped from saga_inbox where namespace = %s and command_id = %s"

_REFUSE: Final = """
insert into saga_inbox (namespace, command_id, outcome, schema, body) values (%s, %s, %s, %s, %s) on conflict do nothing
"""

_ANSWER: Final = """
update saga_inbox set outcome = %s, type = %s, schema = %s, body = %s, skipped = %s
 where namespace = %s and command_id = %s
"""

_OUT_OF_REACH: Final = ("08", "53", "57", "58")
"""Classes of SQLSTATE (Postgres manual, appendix A): connection, resources, operator intervention, system error."""
_READ_ONLY: Final = "25006"
"""A failover left us with a standby."""


class PostgresInbox:
    """An inbox in the database ``dsn``, in the table ``saga_inbox``, which it creates if it is missing.

    Nothing is connected before the participant starts; then each worker has one connection, READ COMMITTED. Its rows
    must outlive the commands' retention plus the longest saga; older ones are yours to delete now and then:
    ``delete from saga_inbox where answered_at < now() - interval '60 days'``. Raises ``ConfigError`` where psycopg is
    not installed.
    """

    def __init__(self, dsn: str) -> None:
        try:
            importlib.import_module("psycopg")
        except ImportError as error:
            raise ConfigError(
                "expected psycopg for PostgresInbox, found none: pip install 'saga-orchestrator[postgres]'"
            ) from error
        self._dsn = dsn

    def prepare(self) -> None:
        """Create ``saga_inbox`` if it is missing. Raises ``Unavailable``, or ``AccessDenied`` if it may not."""
        import psycopg  # noqa: PLC0415

        try:
            with connect(self._dsn) as connection:
                if connection.execute("select to_regclass('saga_inbox')").fetchone() == (None,):
                    connection.execute("select pg_advisory_xact_lock(%s)", (_CREATE_LOCK,))
                    connection.execute(TABLE.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise AccessDenied(
                f"expected the table saga_inbox, and may not create it: {_text(error)}: run this once: {TABLE.strip()}"
            ) from error
        except psycopg.Error as error:
            raise Unavailable(f"expected to prepare the inbox, got: {_text(error)}") from error

    def session(self) -> PostgresSession:
        """A connection for one worker thread, made when it is first used."""
        return PostgresSession(self._dsn)


class PostgresSession:
    """One worker's connection; made again after it broke."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection | None = None

    def once(self, delivery: Delivery, handle: Callable[[psycopg.Connection], Answer]) -> Answer:
        """See ``Session.once``: one transaction, in which what was rejected is rolled back to a savepoint."""
        import psycopg  # noqa: PLC0415 - found in sys.modules: PostgresInbox has imported it

        try:
            connection = self._connection or connect(self._dsn)
            self._connection = connection
            with connection.transaction():
                return _answered(connection, delivery, handle)
        except Retryable as why:
            if self._lost():
                raise Unavailable(f"the inbox's connection broke while a handler ran: {why}") from why
            raise
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if self._lost() or state[:2] in _OUT_OF_REACH or state == _READ_ONLY:
                self.close()
                raise Unavailable(f"expected the inbox's database to answer, got: {_text(error)}") from error
            raise Retryable(type(error).__name__, _text(error)) from error

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _lost(self) -> bool:
        """Whether there is no connection any more; drops a broken one, so that the next call makes another."""
        if self._connection is not None and self._connection.closed:  # `closed` is true of a broken one too
            self.close()
        return self._connection is None


def connect(dsn: str) -> psycopg.Connection:
    """A connection that gives up after 10 s unless ``dsn`` says otherwise."""
    import psycopg  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parameters = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise ConfigError(
            f"expected postgresql://user:password@host:port/name as the inbox's database: {error}"
        ) from error
    parameters.setdefault("connect_timeout", "10")
    parameters.setdefault("application_name", "saga participant")
    connection = psycopg.connect(**cast("dict[str, Any]", parameters))
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # `_CLAIM` must see what it waited for
    return connection


def _answered(
    connection: psycopg.Connection, delivery: Delivery, handle: Callable[[psycopg.Connection], Answer]
) -> Answer:
    own = (delivery.namespace, delivery.command_id)
    if connection.execute(_CLAIM, own).rowcount == 0:
        return _stored(connection, own)
    if delivery.undoes is not None:
        do = (delivery.namespace, delivery.undoes)
        refuse = (*do, REFUSED.outcome, REFUSED.schema_id, REFUSED.value)
        refused = connection.execute(_REFUSE, refuse).rowcount == 1
        if delivery.role == "undo" and (refused or _stored(connection, do).outcome != "completed"):
            return _store(connection, own, SKIPPED)
    return _store(connection, own, _handled(connection, handle))


def _handled(connection: psycopg.Connection, handle: Callable[[psycopg.Connection], Answer]) -> Answer:
    import psycopg  # noqa: PLC0415

    with connection.transaction() as savepoint:
        answer = handle(connection)
        if answer.outcome != "completed":
            raise psycopg.Rollback(savepoint)
    return answer


def _stored(connection: psycopg.Connection, key: tuple[str, str]) -> Answer:
    row = connection.execute(_STORED, key).fetchone()
    if row is None or row[0] is None:  # deleted between the two statements
        raise Unavailable(f"the inbox's row of {key[1]} went away while it was read")
    outcome, kind, schema, body, skipped = row
    no_effect = outcome == "failed"  # nothing else that failed is stored
    return Answer(outcome=outcome, type=kind, schema_id=schema, value=body, skipped=skipped, no_effect=no_effect)


def _store(connection: psycopg.Connection, key: tuple[str, str], answer: Answer) -> Answer:
    values = (answer.outcome, answer.type, answer.schema_id, answer.value, answer.skipped)
    connection.execute(_ANSWER, (*values, *key))
    return answer


def _text(error: psycopg.Error) -> str:
    """One line of an error's text."""
    return " ".join(str(error).split())
