"""Creates the tables of a namespace, or upgrades them: `schema.sql` in a new database, `migrations/` in an older one.

Only this module changes tables. Everything happens in one transaction: a migration is done, or nothing was.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import psycopg

from orchestrator.errors import ConfigError
from orchestrator.store import queries
from orchestrator.store.connection import MIGRATION_SESSION, READER_SESSION, Server, connect, translated
from orchestrator.store.meta import check_meta, meta_of
from orchestrator.store.port import BATCH_FORMAT, FORMAT, GENESIS, Meta

_SQL: Final = queries.load()
_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")
LOCK_KEY: Final = 0x5341_4741  # "SAGA": the key of the advisory lock


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done; ``before`` is None for a new database."""

    before: int | None
    after: int


def schema() -> bytes:
    """The tables as a new database gets them."""
    return files("orchestrator.store").joinpath("schema.sql").read_bytes()


def migrations() -> list[bytes]:
    """All migrations in order; the first leads to format 1."""
    folder = files("orchestrator.store").joinpath("migrations")
    found = sorted((file for file in folder.iterdir() if _FILE.fullmatch(file.name)), key=lambda file: file.name)
    assert [int(file.name[:4]) for file in found] == list(range(1, FORMAT + 1)), "migrations are numbered without gaps"
    return [file.read_bytes() for file in found]


def has_tables(dsn: str) -> bool:
    """Whether the database was migrated ever. Raises ``ConfigError``, ``Unavailable``."""
    server = Server.of(dsn)
    with translated(server), connect(server, "saga", READER_SESSION) as connection:
        row = connection.execute(_SQL["has_tables"]).fetchone()
        return row is not None and bool(row[0])


def migrate(dsn: str, namespace: str, shards: int) -> Migrated:
    """Bring the database to this version's tables; nothing happens when it has them.

    Several may run at once: one works, the others wait for it. Raises ``ConfigError`` for another namespace, another
    number of shards, a newer format, missing rights; ``Unavailable``.
    """
    server = Server.of(dsn)
    with (
        translated(server),
        connect(server, "saga migrate", MIGRATION_SESSION) as connection,
        connection.transaction(),
    ):
        connection.execute(_SQL["lock_migration"], {"key": LOCK_KEY})
        row = connection.execute(_SQL["has_tables"]).fetchone()
        assert row is not None
        has_tables, has_schema, encoding = row
        if encoding != "UTF8":
            raise ConfigError(
                f"expected a database with encoding UTF8 at {server.name}, got {encoding}: "
                f"create one with `create database … encoding 'UTF8' template template0`"
            )
        if has_tables:
            return _upgrade(connection, server.name, namespace, shards)
        _create(connection, namespace, shards, has_schema=has_schema)
        return Migrated(None, FORMAT)


def _create(connection: psycopg.Connection, namespace: str, shards: int, *, has_schema: bool) -> None:
    if not has_schema:  # it may have been made by somebody who may make schemas, for us
        connection.execute("create schema saga")
    connection.execute(schema())
    connection.execute(_SQL["insert_meta"], {"namespace": namespace, "shards": shards, "format": FORMAT})
    connection.execute(_SQL["insert_shards"], {"shards": shards, "genesis": GENESIS, "format": BATCH_FORMAT})


def _upgrade(connection: psycopg.Connection, where: str, namespace: str, shards: int) -> Migrated:
    meta = meta_of(connection.execute(_SQL["meta"]).fetchone(), where)
    before = meta.format
    check_meta(Meta(meta.namespace, meta.shards, meta.state, max(before, FORMAT)), namespace, shards)
    for migration in migrations()[before:]:
        connection.execute(migration)
    connection.execute(_SQL["set_format"], {"format": FORMAT})
    return Migrated(before, FORMAT)
