"""A Postgres that gives no more connections, or whose disk is full, and an orchestrator that cannot write its log."""

import os
import resource
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, Final

import psutil
import psycopg
import pytest

from orchestrator.local.guardian import identity
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import Stage, stage_in
from tests.acceptance.faults.town import ALL, Town
from tests.servers import new_directory
from tests.waiting import PATIENCE_S, until

CONNECTIONS: Final = 40
LITTLE: Final = 64 * 1024
"""Bytes: less than what is written already of each file of the write-ahead log."""
FILLING: Final = 40_000
"""Rows of 500 bytes: more than the 16 MiB of a file of the write-ahead log, which is to be written on."""


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    # Without autovacuum a table that is full stays full.
    settings = {"max_connections": str(CONNECTIONS), "autovacuum": "off"}
    with new_directory() as directory, stage_in(directory, postgres_settings=settings) as stage:
        yield stage


def said(orchestrator: Orchestrator, text: str) -> bool:
    return any(text in str(line.get("text")) for line in orchestrator.log())


LIMIT: Final = """
import resource, sys
from contextlib import suppress
largest = int(sys.argv[1])
for pid in map(int, sys.argv[2:]):
    with suppress(ProcessLookupError):  # it has ended meanwhile
        hardest = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hardest))
"""
"""In a process of their own: only who has their user may do it."""


def limit_files(process: psutil.Process, largest: int) -> None:
    """No file of this process and of those that it starts may grow beyond ``largest`` bytes: its disk is full."""
    pids = [str(each.pid) for each in (process, *process.children(recursive=True))]
    line = [sys.executable, "-I", "-c", LIMIT, str(largest), *pids]
    same_user = identity(process.username() if os.geteuid() == 0 else None)
    subprocess.run(line, check=True, timeout=PATIENCE_S, **same_user)


def postmaster(town: Town) -> psutil.Process:
    pid = town.stage.system.stack.postgres.pid
    assert pid is not None
    return psutil.Process(pid)


def one_more(server: str) -> "psycopg.Connection[tuple[Any, ...]] | None":
    """A connection; None when the server gives no more."""
    try:
        return psycopg.connect(server)
    except psycopg.OperationalError as error:
        if "too many clients" not in str(error):
            raise
        return None


def take_every_connection(town: Town, taken: ExitStack) -> None:
    """Nobody else has one afterwards, or gets one."""
    server = town.stage.system.stack.postgres.dsn()
    admin = taken.enter_context(psycopg.connect(server, autocommit=True))
    ours = [admin.info.backend_pid]
    others = "from pg_stat_activity where backend_type = 'client backend' and not pid = any(%s)"
    while admin.execute(f"select {others}".encode(), [ours]).fetchone() is not None:
        admin.execute(f"select pg_terminate_backend(pid, 1000) {others}".encode(), [ours])
        while (another := one_more(server)) is not None:
            ours.append(taken.enter_context(another).info.backend_pid)


def test_a_postgres_without_a_free_connection_is_waited_for(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    town.transfer(20)
    with ExitStack() as taken:
        take_every_connection(town, taken)
        town.transfer(20)
        until(lambda: said(owner, "too many clients"))
    town.transfer(20)
    town.settle()
    town.prove()


def test_a_postgres_that_cannot_write_its_log_comes_back_with_everything(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    begun = town.transfer(30)
    until(lambda: any(town.handles[name].done() for name in begun))
    server = postmaster(town)
    limit_files(server, LITTLE)
    town.transfer(30)
    server.wait(PATIENCE_S)  # it panics, and cannot write the checkpoint with which it would begin again
    until(lambda: "Unavailable" in owner.reasons())
    town.stage.system.stack.postgres.restart()
    town.transfer(20)
    town.settle()
    town.prove()


def test_tables_that_cannot_grow_hold_sagas_up_and_lose_none(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    with psycopg.connect(town.settings.need_database()) as connection:
        connection.execute(
            "insert into saga.events (shard, saga_id, number, seq, type, data)"
            " select 0, 'filling', number, 1, 'filling', to_json(repeat('x', 500)) from generate_series(1, %s) number",
            [FILLING],
        )
        connection.rollback()  # what was written stays in the file until somebody vacuums it
    (((size,),)) = town.ask("select pg_relation_size('saga.events')")
    limit_files(postmaster(town), int(str(size)))
    town.transfer(60)
    until(lambda: said(owner, "could not extend file"))
    before = town.heads()
    limit_files(postmaster(town), resource.RLIM_INFINITY)
    town.settle()
    assert town.heads() > before
    town.prove()


def test_an_orchestrator_that_cannot_write_its_log_goes_on(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    town.transfer(20)
    process = psutil.Process(owner.service.pid)
    limit_files(process, owner.service.log.stat().st_size)
    town.stage.system.stack.postgres.restart()  # the shards are lost and owned again: all of it is told
    town.transfer(20)
    town.settle()
    limit_files(process, resource.RLIM_INFINITY)
    owner.forget()
    town.stage.system.stack.postgres.restart()
    until(lambda: owner.owned() == ALL)
    town.prove()
