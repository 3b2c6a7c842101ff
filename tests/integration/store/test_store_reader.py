"""What the command line reads."""

from collections.abc import Callable, Generator
from dataclasses import replace

import psycopg
import pytest

from orchestrator.errors import ConfigError
from orchestrator.store import queries
from orchestrator.store.migrate import migrate
from orchestrator.store.port import GENESIS, Definition, ShardRow
from orchestrator.store.postgres import PostgresShardStore, PostgresStore
from orchestrator.store.reader import ListedEvent, ListedIncident, ListedSaga, Reader, SagaFilter, open_reader
from tests.contract.store.batches import START_MS, batch_after, event, incident, row_after, saga, stored
from tests.integration.store.conftest import NAMESPACE, SHARDS

EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)

OpenShard = Callable[..., PostgresShardStore]


@pytest.fixture
def reader(dsn: str) -> Generator[Reader]:
    with open_reader(dsn, NAMESPACE) as reader:
        yield reader


def test_saga_is_found_in_whichever_shard(dsn: str, reader: Reader) -> None:
    batches = {n: batch_after(replace(EMPTY, shard=n), sagas=[saga(f"s{n}", labels='{"b":1,"a":"x"}')]) for n in (0, 3)}
    for number, batch in batches.items():
        shard = PostgresStore(dsn).shard(number)
        shard.append(batch)
        shard.close()
    assert reader.get_saga("s3") == ListedSaga(3, stored(saga("s3", labels='{"a":"x","b":1}')), published=True)
    assert reader.get_saga("s0") == ListedSaga(0, stored(saga("s0", labels='{"a":"x","b":1}')), published=True)
    assert reader.get_saga("s9") is None


def test_what_is_beyond_the_last_footer_is_not_published(open_shard: OpenShard, reader: Reader) -> None:
    shard = open_shard()
    owner = batch_after(EMPTY, "owner")
    first = batch_after(row_after(owner), "1", events=[event("a", 1)], sagas=[saga("a")], incidents=[incident("a", 1)])
    second = batch_after(
        row_after(first),
        "2",
        events=[event("a", 2, topic=None, partition=None, offset=None)],
        sagas=[saga("a", version=2)],
    )
    for batch in (owner, first, second):
        shard.append(batch)
    assert [each.published for each in reader.events_of("a")] == [False, False]
    shard.trim_outbox(2)
    assert reader.events_of("a") == [
        ListedEvent(1, 2, first.events[0], published=True),
        ListedEvent(1, 3, second.events[0], published=False),
    ]
    assert reader.get_saga("a") == ListedSaga(1, stored(saga("a", version=2), second.events[0]), published=False)
    assert reader.open_incidents() == [ListedIncident(1, "money_transfer", incident("a", 1), published=True)]
    shard.trim_outbox(3)
    assert reader.get_saga("a") == ListedSaga(1, stored(saga("a", version=2), second.events[0]), published=True)


def test_open_incidents_come_oldest_first_and_closed_ones_only_with_their_saga(
    open_shard: OpenShard, reader: Reader
) -> None:
    incidents = [
        incident("b", 1, opened_ms=START_MS + 2),
        incident("a", 1, opened_ms=START_MS + 1, closed_ms=START_MS + 9),
        incident("a", 2, opened_ms=START_MS + 1),
    ]
    open_shard().append(batch_after(EMPTY, sagas=[saga("a"), saga("b")], incidents=incidents))
    assert [each.incident for each in reader.open_incidents()] == [incidents[2], incidents[0]]
    assert [each.incident for each in reader.open_incidents(1)] == [incidents[2]]


def test_list_is_paged_newest_first(open_shard: OpenShard, reader: Reader) -> None:
    starts = {"a": 5, "b": 9, "c": 5, "d": 1}
    open_shard().append(batch_after(EMPTY, sagas=[saga(name, started_ms=start) for name, start in starts.items()]))
    first = reader.list_sagas(SagaFilter(limit=2))
    assert [each.saga.row.saga_id for each in first] == ["b", "c"]
    rest = reader.list_sagas(SagaFilter(limit=9, after="c"))
    assert [each.saga.row.saga_id for each in rest] == ["a", "d"]
    assert reader.list_sagas(SagaFilter(after="d")) == []


def test_list_is_filtered(open_shard: OpenShard, reader: Reader) -> None:
    sagas = [
        saga("a", labels='{"amount":{"$decimal":"12.50"},"customer":"42","vip":true}'),
        saga("b", labels='{"customer":42,"day":{"$date":"2026-01-02"}}', status="compensating"),
        saga("c", saga="other", labels='{"customer":"Zoë \\"Z\\""}', status="completed", ended_ms=1),
        saga("d"),
    ]
    open_shard().append(batch_after(EMPTY, sagas=sagas))

    def ids(**chosen: object) -> list[str]:
        return sorted(each.saga.row.saga_id for each in reader.list_sagas(SagaFilter(**chosen)))  # pyright: ignore[reportArgumentType] - each test names its own

    assert ids() == ["a", "b", "c", "d"]
    assert ids(status="running") == ["a", "d"]
    assert ids(saga="other") == ["c"]
    assert ids(status="running", saga="other") == []
    assert ids(labels={"customer": "42"}) == ["a", "b"]
    assert ids(labels={"customer": "42", "vip": "true"}) == ["a"]
    assert ids(labels={"amount": "12.50"}) == ["a"]
    assert ids(labels={"day": "2026-01-02"}) == ["b"]
    assert ids(labels={"customer": 'Zoë "Z"'}) == ["c"]
    assert ids(labels={"customer": "4"}) == []


def test_labels_are_found_by_their_index(open_shard: OpenShard, watch: psycopg.Connection) -> None:
    sagas = [saga(f"s{n}", labels=f'{{"customer":"c{n}"}}') for n in range(3000)]
    open_shard().append(batch_after(EMPTY, sagas=sagas))
    watch.execute("analyze saga.sagas")
    chosen = {"status": None, "saga": None, "labels": ['{"customer":"c17"}'], "after": None, "limit": 10}
    plan = watch.execute(b"explain " + queries.load()["list_sagas_with_labels"], chosen).fetchall()
    assert "sagas_by_label" in str(plan)


def test_block_of_one_moment_does_not_see_what_comes_meanwhile(open_shard: OpenShard, reader: Reader) -> None:
    shard = open_shard()
    first = batch_after(EMPTY, "1", events=[event("a", 1)], sagas=[saga("a")])
    shard.append(first)
    with reader.one_moment():
        assert reader.get_saga("a") == ListedSaga(1, stored(saga("a")), published=True)
        shard.append(batch_after(row_after(first), "2", events=[event("a", 2)], sagas=[saga("a", version=2)]))
        assert [each.event.number for each in reader.events_of("a")] == [1]
    assert [each.event.number for each in reader.events_of("a")] == [1, 2]


def test_definition_is_found_by_name_and_hash(dsn: str, reader: Reader) -> None:
    PostgresStore(dsn).save_definitions([Definition("t", "1", '{"b":1, "a":2}', active=True)])
    assert reader.definition("t", "1") == '{"b":1, "a":2}'
    assert reader.definition("t", "2") is None


def test_reader_cannot_write(dsn: str) -> None:
    with open_reader(dsn, NAMESPACE) as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader._connection.execute("delete from saga.sagas")


def test_reader_of_a_database_without_tables_asks_for_migrate(database: str) -> None:
    with pytest.raises(ConfigError, match="saga migrate"), open_reader(database, NAMESPACE):
        pass


def test_the_database_of_another_namespace_is_refused(dsn: str) -> None:
    with (
        pytest.raises(ConfigError, match=r"expected the database of namespace 'shop'.*set SAGA_NAMESPACE=bank"),
        open_reader(dsn, "shop"),
    ):
        pass


def test_tables_without_their_namespace_are_refused_by_whoever_reads_it(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("delete from saga.meta")
    for read in (
        lambda: open_reader(dsn, NAMESPACE).__enter__(),
        lambda: PostgresStore(dsn).meta(),
        lambda: migrate(dsn, NAMESPACE, SHARDS),
    ):
        with pytest.raises(ConfigError, match=r"expected one row in saga.meta at .*/.*, got none: .*restore"):
            read()
