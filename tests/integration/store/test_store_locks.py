"""Who waits for whom: each shown with two connections, the second one seen waiting before the first goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from orchestrator.errors import DatabaseNotReady, OwnershipLost, Unavailable
from orchestrator.store.connection import LOCK_TIMEOUT_MS
from orchestrator.store.port import GENESIS, Batch, ShardRow
from orchestrator.store.postgres import PostgresShardStore
from tests.contract.store.batches import batch_after, event, row_after, saga
from tests.integration.store.sessions import PATIENCE, blockers_of, lives, pid_of, threads
from tests.waiting import until

REPOSITORY = Path(__file__).parents[3]
EMPTY = ShardRow(1, 0, GENESIS, 0, 0, 0)
LOCK_ROW = "select from saga.shards where shard = 1 for update"
FENCE = "lock table saga.shards in share row exclusive mode"

OpenShard = Callable[..., PostgresShardStore]


class Held:
    """An owner batch that is made only when the test says so."""

    def __init__(self) -> None:
        self.holding = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, row: ShardRow) -> Batch:
        self.holding.set()
        assert self.go_on.wait(PATIENCE)
        return batch_after(row, "held")


def test_append_waits_for_a_take_over_and_then_has_lost_the_shard(
    open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    former, taker, held = open_shard(), open_shard(), Held()
    first = batch_after(EMPTY, sagas=[saga()])
    former.append(first)
    with threads() as pool:
        taking = pool.submit(taker.take_over, held)
        assert held.holding.wait(PATIENCE)
        appending = pool.submit(former.append, batch_after(row_after(first), "late", sagas=[saga(version=2)]))
        until(lambda: blockers_of(watch, pid_of(former)) == {pid_of(taker)})
        # The shard's row is the first lock of an append: it holds no other while it waits.
        watch.execute("select from saga.sagas where saga_id = 's1' for update nowait")
        held.go_on.set()
        assert taking.result(PATIENCE) == row_after(first)
        with pytest.raises(OwnershipLost):
            appending.result(PATIENCE)
    assert former.snapshot().row.seq == 2
    assert former.sagas(["s1"])["s1"].row.version == 1


def test_second_taker_waits_for_the_first_and_takes_over_after_it(
    open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    first, second, held = open_shard(), open_shard(), Held()
    with threads() as pool:
        taking = pool.submit(first.take_over, held)
        assert held.holding.wait(PATIENCE)
        waiting = pool.submit(second.take_over, batch_after)
        until(lambda: blockers_of(watch, pid_of(second)) == {pid_of(first)})
        held.go_on.set()
        assert taking.result(PATIENCE) == EMPTY
        assert waiting.result(PATIENCE).seq == 1
    assert second.snapshot().row.seq == 2


@contextmanager
def zombie_of(dsn: str) -> Generator[subprocess.Popen[str]]:
    """Another process, which holds the lock of shard 1."""
    command = [sys.executable, "-m", "tests.integration.store.zombie", dsn]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


def test_stopped_owner_that_holds_the_lock_is_ended_by_the_taker(dsn: str, open_shard: OpenShard) -> None:
    with zombie_of(dsn) as zombie:
        os.kill(zombie.pid, signal.SIGSTOP)
        begun = time.monotonic()
        assert open_shard().take_over(batch_after) == EMPTY
        assert LOCK_TIMEOUT_MS / 1000 <= time.monotonic() - begun < PATIENCE
        os.kill(zombie.pid, signal.SIGCONT)
        out, _ = zombie.communicate("go on\n", PATIENCE)
        assert out == "unavailable\n"
    assert open_shard().snapshot().row.seq == 1


def test_killed_owner_holds_nothing(dsn: str, open_shard: OpenShard) -> None:
    with zombie_of(dsn) as zombie:
        zombie.kill()
        begun = time.monotonic()
        assert open_shard().take_over(batch_after) == EMPTY
        assert time.monotonic() - begun < LOCK_TIMEOUT_MS / 1000


def test_only_the_holder_is_ended_and_not_who_waits_beside(
    dsn: str, open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    takers = open_shard(), open_shard()
    with threads() as pool, closing(psycopg.connect(dsn)) as holder:
        holder.execute(LOCK_ROW)
        taking = [pool.submit(taker.take_over, batch_after) for taker in takers]
        until(lambda: all(blockers_of(watch, pid_of(taker)) for taker in takers))
        assert sorted(each.result(PATIENCE).seq for each in taking) == [0, 1]
        until(lambda: not lives(watch, holder.info.backend_pid))


def test_owner_that_took_the_row_just_now_is_left_alone(
    dsn: str, open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    taker = open_shard()
    with psycopg.connect(dsn) as busy:
        busy.execute(LOCK_ROW)
        taker._end_lock_holder()
        assert lives(watch, busy.info.backend_pid)


def test_lock_of_the_whole_table_is_waited_for_and_then_reported(
    dsn: str, open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    taker = open_shard()
    with psycopg.connect(dsn) as upgrading:
        upgrading.execute("lock table saga.shards in access exclusive mode")
        with pytest.raises(Unavailable, match="lock"):
            taker.take_over(batch_after)
        assert lives(watch, upgrading.info.backend_pid)
    assert open_shard().take_over(batch_after) == EMPTY


def test_recovery_waits_for_appends_in_flight_and_later_ones_see_it(
    dsn: str, open_shard: OpenShard, watch: psycopg.Connection
) -> None:
    in_flight, later, held = open_shard(), open_shard(), Held()
    taker = open_shard()
    with threads() as pool, psycopg.connect(dsn) as recovery:
        taking = pool.submit(taker.take_over, held)
        assert held.holding.wait(PATIENCE)
        appending = pool.submit(in_flight.append, batch_after(EMPTY, "in flight", events=[event()]))
        until(lambda: blockers_of(watch, pid_of(in_flight)) == {pid_of(taker)})
        fencing = pool.submit(recovery.execute, FENCE)
        until(lambda: pid_of(in_flight) in blockers_of(watch, recovery.info.backend_pid))
        held.go_on.set()
        row = row_after(batch_after(taking.result(PATIENCE), "held"))
        with pytest.raises(OwnershipLost):
            appending.result(PATIENCE)
        fencing.result(PATIENCE)
        recovery.execute("update saga.meta set state = 'recovering'")
        after = pool.submit(later.append, batch_after(row, "later", events=[event()]))
        until(lambda: blockers_of(watch, pid_of(later)) == {recovery.info.backend_pid})
        recovery.commit()
        with pytest.raises(OwnershipLost, match="recovering"):
            after.result(PATIENCE)
    with pytest.raises(DatabaseNotReady):
        taker.take_over(batch_after)
    assert taker.snapshot().row == row
