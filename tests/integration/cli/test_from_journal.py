"""`saga show ID --from-journal`: the whole story, with the database gone."""

import json
from dataclasses import replace

import psycopg
import pytest

from orchestrator import Settings
from tests.integration.cli.conftest import Bank, Shell, running
from tests.waiting import until

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


def test_each_saga_that_had_an_id_is_shown_and_a_page_behind_a_trimmed_one_is_refused(
    deployed: Settings, bank: Bank, saga: Shell
) -> None:
    with running(replace(deployed, retention_ms=1_000)):
        assert saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait").status == 0
        until(lambda: json.loads(saga("list", "--json").out) == [])

    def unknown(_: object) -> object:
        raise bank.messages.AccountNotFound(account="alice")

    bank.withdraw = unknown
    with running(deployed):
        behind = saga("list", "--after", "t1")
        assert (behind.status, behind.out) == (4, "")
        assert "'t1', which no saga has: if it was trimmed meanwhile (SAGA_RETENTION)" in behind.err
        gone = saga("show", "t1")
        assert (gone.status, gone.out) == (4, "")
        assert "`saga show t1 --from-journal` tells it" in gone.err
        only = json.loads(saga("show", "t1", "--from-journal", "--json").out)
        assert (only["status"], only["trimmed"], only["earlier"]) == ("completed", True, [])
        again = saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
        assert again.status == 3  # compensated
        lives = json.loads(saga("show", "t1", "--from-journal", "--json").out)
        assert (lives["status"], lives["trimmed"]) == ("compensated", False)
        assert lives["earlier"] == [{name: value for name, value in only.items() if name != "earlier"}]
        first, second = saga("show", "t1", "--from-journal").out.split("\n\nmoney_transfer t1  ")
        assert first.startswith("money_transfer t1  completed")
        assert "Postgres has it no more (SAGA_RETENTION)" in first
        assert second.startswith("compensated")
        assert f"money_transfer t1  {second}" == saga("show", "t1").out


@pytest.mark.parametrize("command", [["recover"], ["verify"], ["verify", "--chain"]])
@pytest.mark.parametrize("shards", ["1", "3"])
def test_another_number_of_shards_is_refused_before_anything_is_left_out(
    deployed: Settings, saga: Shell, monkeypatch: pytest.MonkeyPatch, command: list[str], shards: str
) -> None:
    monkeypatch.setenv("SAGA_SHARDS", shards)
    refused = saga(*command)
    assert (refused.status, refused.out) == (1, "")
    assert f"{deployed.namespace}.journal: expected {shards} partitions (SAGA_SHARDS), got 2" in refused.err
