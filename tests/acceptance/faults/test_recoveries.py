"""A database that is lost, or older than its journal: `saga recover` brings it back, and nothing shows that it was."""

import json
import os
import random
import signal
from dataclasses import replace

import psycopg
import pytest

from chaos.tables import TABLES
from demo.system import CommandFailed
from orchestrator.crashpoints import OF_A_RECOVERY
from tests.acceptance.faults.test_histories import copy_of
from tests.acceptance.faults.town import ALL, Town
from tests.waiting import until

REPEAT = int(os.environ.get("SAGA_TEST_REPEAT", "1"))
"""How often the database is dropped: `make test-recovery REPEAT=20`."""


def rows(town: Town, database: str | None = None) -> dict[str, list[str]]:
    """Everything that a recovery must bring back, as text."""
    return {table: [str(row) for row in town.ask(query, database)] for table, query in TABLES.items()}


def drop(town: Town) -> None:
    """The database is gone, whoever is connected to it; an empty one of its name takes its place."""
    name = town.settings.namespace
    with psycopg.connect(town.settings.need_database(), dbname="postgres", autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())
        connection.execute(f'create database "{name}"'.encode())


def test_a_database_that_is_lost_under_load_is_as_if_nothing_had_happened(town: Town) -> None:
    owner = town.orchestrator("owner")
    begun = town.transfer(60)
    until(lambda: any(town.handles[name].done() for name in begun))
    owner.kill()
    town.stage.system.stack.postgres.kill()
    town.stage.system.stack.postgres.restart()
    drop(town)
    figures = town.stage.system.directory / "figures.prom"
    said = json.loads(town.saga("recover", "--json", "--metrics", str(figures)))
    assert said["events"] > 0
    assert f"saga_recovery_events {said['events']}.0" in figures.read_text()
    assert town.ask("select count(*) from saga.events") == [(said["events"],)]
    town.orchestrator("next")
    town.transfer(20)
    town.settle()
    town.prove()
    figures = town.stage.system.directory / "figures.prom"
    assert json.loads(town.saga("verify", "--json", "--metrics", str(figures)))["equal"] is True
    assert "saga_verify_differences 0.0" in figures.read_text()
    assert "shard 1: " in town.saga("verify", "--chain")
    again = town.stage.system.stack.create_database(f"{town.settings.namespace}_again")
    live = rows(town)
    town.saga("recover", database=again)
    assert rows(town, again) == live


def test_a_database_that_is_dropped_at_any_moment_is_recovered_and_equal(town: Town) -> None:
    chance = random.Random(REPEAT)
    owner = town.orchestrator("owner")
    for number in range(REPEAT):
        begun = town.transfer(40)
        enough = chance.randrange(len(begun))
        until(lambda begun=begun, enough=enough: sum(town.handles[name].done() for name in begun) >= enough)
        drop(town)
        if chance.random() < 0.5:  # found dead by the recovery, or alive
            owner.kill()
        town.saga("recover")
        assert json.loads(town.saga("verify", "--json"))["equal"] is True
        owner.kill()
        owner = town.orchestrator(f"owner-{number}")
    town.settle()
    town.prove()


def test_a_recovery_that_is_killed_anywhere_is_ended_by_the_next_one(town: Town) -> None:
    owner = town.orchestrator("owner")
    town.transfer(30)
    town.settle()
    owner.stop()
    live = rows(town)
    for number, point in enumerate(OF_A_RECOVERY):
        database = town.stage.system.stack.create_database(f"{town.settings.namespace}_{number}")
        with pytest.raises(CommandFailed):
            town.saga("recover", "--processes", "1", database=database, crash_at=f"{point}:1")
        town.saga("recover", database=database)
        assert rows(town, database) == live, f"killed at {point}"
        town.settings = replace(town.settings, database=database)
    town.orchestrator("next")
    town.transfer(10)
    town.settle()
    town.prove()


def test_a_database_is_verified_beside_the_orchestrator_that_writes_to_it(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    equal: list[object] = []
    for _ in range(3):
        town.transfer(40)
        equal.append(json.loads(town.saga("verify", "--json", "--rate", "1000"))["equal"])
    assert equal == [True] * 3
    town.settle()
    with psycopg.connect(town.settings.need_database()) as connection:
        connection.execute("update saga.sagas set version = version + 1 where saga_id = %s", [min(town.orders)])
    with pytest.raises(CommandFailed, match=f"{min(town.orders)}: version: the journal says"):
        town.saga("verify")


def test_a_recovery_beside_a_living_orchestrator_that_lost_its_database(town: Town) -> None:
    owner = town.orchestrator("owner")
    until(lambda: owner.owned() == ALL)
    town.transfer(30)
    owner.signal(signal.SIGSTOP)
    drop(town)
    town.saga("recover")
    owner.signal(signal.SIGCONT)
    town.transfer(30)
    town.settle()
    town.prove()


def test_a_restored_backup_is_rolled_forward_by_a_recovery(town: Town) -> None:
    first = town.orchestrator("first")
    town.transfer(20)
    town.settle()
    older = copy_of(town, f"{town.settings.namespace}_older")
    town.transfer(20)
    town.settle()
    first.stop()
    live = rows(town)
    restored = town.orchestrator("restored", {"SAGA_DATABASE": older})
    until(lambda: "DatabaseBehind" in restored.reasons())
    said = json.loads(town.saga("recover", "--json", database=older))
    assert {each["done"] for each in said["shards"]} == {"forward"}
    assert rows(town, older) == live
    town.settings = replace(town.settings, database=older)
    town.transfer(10)
    town.settle()
    town.prove()


def test_sagas_that_were_trimmed_stay_away_and_are_told_by_the_journal(town: Town) -> None:
    first = town.orchestrator("first")
    names = town.transfer(10)
    town.settle()
    first.kill()
    trimming = town.orchestrator("trimming", {"SAGA_RETENTION": "1s"})
    until(lambda: town.ask("select count(*) from saga.sagas") == [(0,)])
    town.transfer(10)
    town.settle()
    assert json.loads(town.saga("verify", "--json"))["equal"] is True
    trimming.stop()
    assert town.ask("select distinct format from saga.shards") == [(2,)]
    last = town.orchestrator("last")  # which trims nothing
    town.transfer(10)
    town.settle()
    last.stop()
    live = rows(town)
    again = town.stage.system.stack.create_database(f"{town.settings.namespace}_again")
    town.saga("recover", database=again)
    assert rows(town, again) == live
    with pytest.raises(CommandFailed, match=f"`saga show {names[0]} --from-journal` tells it"):
        town.saga("show", names[0])
    told = json.loads(town.saga("show", names[0], "--from-journal", "--json"))
    possible = town.orders[names[0]].possible
    assert (told["trimmed"], told["earlier"]) == (True, [])
    assert told["status"] == ("completed" if possible else "compensated")
    assert "Postgres has it no more" in town.saga("show", names[0], "--from-journal")
    town.prove()
