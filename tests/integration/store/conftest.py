from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from orchestrator.store.migrate import migrate
from orchestrator.store.postgres import PostgresShardStore, PostgresStore

NAMESPACE = "bank"
SHARDS = 4


@pytest.fixture
def dsn(database: str) -> str:
    """A database with the tables."""
    migrate(database, NAMESPACE, SHARDS)
    return database


@pytest.fixture
def watch(database: str) -> Generator[psycopg.Connection]:
    """A connection to look at things from outside; each statement is its own transaction."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def set_option(database: str) -> Callable[[str, str], None]:
    """Give a setting of this database another default, for the sessions that come."""

    def set_default(name: str, value: str) -> None:
        names = sql.Identifier(urlsplit(database).path[1:]), sql.Identifier(name), sql.Literal(value)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(sql.SQL("alter database {} set {} = {}").format(*names))

    return set_default


@pytest.fixture
def open_shard(dsn: str) -> Generator[Callable[..., PostgresShardStore]]:
    """A new connection for shard 1, closed after the test; by another way to the server where an address is given."""
    with ExitStack() as stack:

        def new(address: str = dsn) -> PostgresShardStore:
            shard = PostgresStore(address).shard(1)
            assert isinstance(shard, PostgresShardStore)
            return stack.enter_context(closing(shard))

        yield new
