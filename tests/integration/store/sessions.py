"""What Postgres says about its sessions, and calls that block, each in a thread of its own."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from orchestrator.store.postgres import PostgresShardStore

PATIENCE = 20.0
"""Seconds; a failing test waits that long, a passing one never."""


def pid_of(shard: PostgresShardStore) -> int:
    return shard._connection.info.backend_pid


def blockers_of(watch: psycopg.Connection, pid: int) -> set[int]:
    row = watch.execute("select pg_blocking_pids(%s)", [pid]).fetchone()
    assert row is not None
    return set(row[0])


def lives(watch: psycopg.Connection, pid: int) -> bool:
    return watch.execute("select from pg_stat_activity where pid = %s", [pid]).fetchone() is not None


def threads() -> ThreadPoolExecutor:
    """For calls that block: `submit` them; all must have ended when its block ends."""
    return ThreadPoolExecutor(8)
