"""`saga show ID --from-journal`: the whole story, with the database gone."""

import json

import psycopg
import pytest

from orchestrator import Settings
from tests.integration.cli.conftest import Bank, Shell, running

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'


def test_a_saga_is_shown_from_the_journal_when_the_database_is_gone(
    deployed: Settings, bank: Bank, saga: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(deployed):
        assert saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait").status == 0
        text, data = saga("show", "t1"), saga("show", "t1", "--json")
    database = deployed.need_database()
    with psycopg.connect(database, dbname="postgres", autocommit=True) as connection:
        name = database.rpartition("/")[2]
        connection.execute(f'drop database "{name}" with (force)'.encode())
        connection.execute(f'create database "{name}"'.encode())
    monkeypatch.setenv("SAGA_DATABASE", "postgresql://postgres@127.0.0.1:1/nothing")
    assert saga("show", "t1").status == 5
    told = saga("show", "t1", "--from-journal")
    assert (told.status, told.out, told.err) == (0, text.out, "")
    assert json.loads(saga("show", "t1", "--from-journal", "--json").out) == json.loads(data.out)
    monkeypatch.delenv("SAGA_DATABASE")
    assert saga("show", "t1", "--from-journal").out == text.out
    nobody = saga("show", "t2", "--from-journal")
    assert (nobody.status, nobody.out) == (4, "")
    assert "no saga of the journal has the id 't2'" in nobody.err
