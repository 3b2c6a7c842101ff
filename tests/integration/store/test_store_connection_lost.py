"""Connections that break in the worst moments, on a real server."""

import time
from collections.abc import Callable, Mapping

import psycopg
import pytest

from chaos.proxy import Way, proxy_to
from orchestrator.errors import OwnershipLost, Unavailable
from orchestrator.store import connection as connection_module
from orchestrator.store.port import GENESIS, Batch, ShardRow
from orchestrator.store.postgres import PostgresShardStore, PostgresStore
from tests.contract.store.batches import batch_after, event, incident, row_after, saga, stored
from tests.integration.store.sessions import PATIENCE, blockers_of, lives, pid_of, threads
from tests.waiting import until

EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)
AT_ONCE = 1.5
"""Seconds: well below every timeout of a connection."""

OpenShard = Callable[..., PostgresShardStore]


def test_commit_whose_answer_is_lost_did_happen(dsn: str, open_shard: OpenShard) -> None:
    first = batch_after(EMPTY)
    batch = batch_after(row_after(first), events=[event()], sagas=[saga()])
    with proxy_to(dsn) as proxy:
        shard = open_shard(proxy.dsn)
        shard.append(first)  # the first answer of a connection is to the statement's preparation
        proxy.way = Way.LOSES_ANSWERS
        with pytest.raises(Unavailable):
            shard.append(batch)
        assert proxy.lost.is_set()
        with pytest.raises(Unavailable):
            shard.snapshot()
    again = open_shard()
    until(lambda: again.snapshot().row == row_after(batch))
    again.append(batch)
    assert again.snapshot().row == row_after(batch)
    assert again.sagas(["s1"]) == {"s1": stored(saga())}


def test_request_that_is_lost_did_not_happen(dsn: str, open_shard: OpenShard) -> None:
    batch = batch_after(EMPTY, events=[event()])
    with proxy_to(dsn) as proxy:
        shard = open_shard(proxy.dsn)
        proxy.way = Way.LOSES_REQUESTS
        with pytest.raises(Unavailable):
            shard.append(batch)
    again = open_shard()
    assert again.snapshot().row == EMPTY
    again.append(batch)
    assert again.snapshot().row == row_after(batch)


def test_take_over_whose_answers_are_lost_takes_nothing(dsn: str, open_shard: OpenShard) -> None:
    with proxy_to(dsn) as proxy:
        shard = open_shard(proxy.dsn)

        def owner_batch(row: ShardRow) -> Batch:
            proxy.way = Way.LOSES_ANSWERS
            return batch_after(row)

        with pytest.raises(Unavailable):
            shard.take_over(owner_batch)
    assert open_shard().take_over(batch_after) == EMPTY


def test_session_ended_by_an_administrator_is_unavailable(open_shard: OpenShard, watch: psycopg.Connection) -> None:
    shard = open_shard()
    watch.execute("select pg_terminate_backend(%s, 10000)", [pid_of(shard)])
    with pytest.raises(Unavailable, match="terminat"):
        shard.append(batch_after(EMPTY))
    assert open_shard().snapshot().row == EMPTY


def test_terminate_frees_a_call_that_waits_for_a_lock(
    dsn: str, open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    shard = open_shard()
    with threads() as pool, psycopg.connect(dsn) as holder:
        holder.execute("select from saga.shards for update")
        appending = pool.submit(shard.append, batch_after(EMPTY))
        until(lambda: blockers_of(watch, pid_of(shard)) == {holder.info.backend_pid})
        begun = time.monotonic()
        shard.terminate()
        with pytest.raises(Unavailable):
            appending.result(PATIENCE)
        assert time.monotonic() - begun < AT_ONCE


@pytest.mark.parametrize("end", ["terminate", "close"])
def test_call_into_silence_is_freed(dsn: str, open_shard: OpenShard, end: str) -> None:
    with proxy_to(dsn) as proxy, threads() as pool:
        shard = open_shard(proxy.dsn)
        proxy.way = Way.SILENT
        asking = pool.submit(shard.next_due)
        assert proxy.lost.wait(PATIENCE)
        assert shard.calling_s() > 0
        begun = time.monotonic()
        getattr(shard, end)()
        with pytest.raises(Unavailable):
            asking.result(PATIENCE)
        assert time.monotonic() - begun < AT_ONCE
        assert shard.calling_s() == 0


@pytest.mark.parametrize("silent", ["before the first question", "after it"])
def test_call_of_the_store_itself_into_silence_is_freed(dsn: str, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configure = connection_module._set
    with proxy_to(dsn) as proxy, threads() as pool:

        def configured(connection: psycopg.Connection, session: Mapping[str, str]) -> None:
            if silent == "after it":
                configure(connection, session)
            proxy.way = Way.SILENT
            if silent != "after it":
                configure(connection, session)

        monkeypatch.setattr(connection_module, "_set", configured)
        store = PostgresStore(proxy.dsn)
        asking = pool.submit(store.open_incidents)
        assert proxy.lost.wait(PATIENCE)
        assert not store.interrupt(PATIENCE)
        begun = time.monotonic()
        assert store.interrupt(0)
        with pytest.raises(Unavailable):
            asking.result(PATIENCE)
        assert time.monotonic() - begun < AT_ONCE
        assert not store.interrupt(0)


def test_zombie_wakes_up_to_a_history_that_went_on(open_shard: OpenShard) -> None:
    zombie, owner = open_shard(), open_shard()
    batch = batch_after(EMPTY, "zombie", events=[event()])
    owner.take_over(batch_after)
    with pytest.raises(OwnershipLost):
        zombie.append(batch)
    assert owner.snapshot().row.seq == 1


def test_append_is_one_round_trip(dsn: str, open_shard: OpenShard) -> None:
    with proxy_to(dsn) as proxy:
        shard = open_shard(proxy.dsn)
        first = batch_after(EMPTY, events=[event()], sagas=[saga()], incidents=[incident()])
        shard.append(first)
        before = proxy.turns
        events, sagas = [event("s2", n) for n in range(1, 500)], [saga(f"x{n}") for n in range(100)]
        shard.append(batch_after(row_after(first), events=events, sagas=sagas))
        assert proxy.turns - before == 1


def test_look_ups_read_by_index_in_tables_that_were_planned_empty(
    open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    watch.execute("analyze saga.sagas")
    shard = open_shard()
    assert shard.sagas(["s0"]) == {}
    assert shard.due(1, 1) == []
    assert shard.next_due() is None
    shard.append(batch_after(EMPTY, sagas=[saga(f"s{n}", due_ms=n) for n in range(2000)]))
    assert list(shard.sagas(["s7"])) == ["s7"]
    assert shard.due(1, 1) == ["s0"]
    assert shard.next_due() == 0
    pid = pid_of(shard)
    shard.close()
    until(lambda: not lives(watch, pid))  # it leaves its statistics when it ends
    read = "select seq_tup_read from pg_stat_user_tables where relname = 'sagas'"
    assert watch.execute(read).fetchone() == (0,)
