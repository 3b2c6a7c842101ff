from collections.abc import Callable, Generator
from contextlib import ExitStack, closing

import pytest

from orchestrator.store.migrate import migrate
from orchestrator.store.port import ShardStore
from tests.contract.store.databases import NAMESPACE, SHARDS, Handle, InMemory, InPostgres


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def handle(request: pytest.FixtureRequest) -> Handle:
    """Each store in turn: one suite for both, so that the one in memory can stand for the real one."""
    if request.param == "memory":
        return InMemory()
    dsn: str = request.getfixturevalue("database")
    migrate(dsn, NAMESPACE, SHARDS)
    return InPostgres(dsn)


@pytest.fixture
def open_shard(handle: Handle) -> Generator[Callable[[int], ShardStore]]:
    """A new connection for a shard, closed after the test."""
    with ExitStack() as stack:
        yield lambda shard: stack.enter_context(closing(handle.store.shard(shard)))
