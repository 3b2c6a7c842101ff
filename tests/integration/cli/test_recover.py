"""`saga recover` by the command line: what it says of itself, to a program and to Prometheus."""

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator import Settings
from tests.integration.cli.conftest import SHARDS, Shell, running

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'


def figures_in(file: Path) -> dict[tuple[str, str], float]:
    """Name and shard -> value."""
    families = text_string_to_metric_families(file.read_text())
    return {(each.name, each.labels.get("shard", "")): each.value for family in families for each in family.samples}


@pytest.mark.usefixtures("bank")
def test_the_time_of_a_recovery_and_its_recovery_point_are_figures_and_a_comparison_has_its_own(
    deployed: Settings, saga: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(deployed):
        for number in range(6):
            assert saga("start", "money_transfer", "--input", INPUT, "--id", f"t{number}", "--wait").status == 0
    database = deployed.need_database()
    with psycopg.connect(database) as connection:
        heads = dict(connection.execute("select shard, seq from saga.shards").fetchall())
        ((events,),) = connection.execute("select count(*) from saga.events").fetchall()
        name = f"{connection.info.dbname}_again"
    with psycopg.connect(database, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    again = replace(deployed, database=f"{database.rpartition('/')[0]}/{name}")
    monkeypatch.setenv("SAGA_DATABASE", again.need_database())
    file = tmp_path / "saga.prom"
    done = saga("recover", "--json", "--metrics", str(file), "--processes", "2")
    assert (done.status, done.err) == (0, "")
    told, found = json.loads(done.out), figures_in(file)
    assert told["events"] == events
    assert found.pop(("saga_recovery_completed_timestamp_seconds", "")) > 1_700_000_000
    assert round(found.pop(("saga_recovery_duration_seconds", "")) * 1_000) == told["took_ms"] > 0
    assert found == {
        ("saga_recovery_events", ""): events,
        **{("saga_recovery_point_batch", str(shard)): heads[shard] for shard in range(SHARDS)},
    }
    assert saga("verify", "--metrics", str(file)).status == 0
    found = figures_in(file)
    assert found.pop(("saga_verify_completed_timestamp_seconds", "")) > 1_700_000_000
    assert found == {
        ("saga_verify_differences", ""): 0,
        **{("saga_verify_batch", str(shard)): heads[shard] + 1 for shard in range(SHARDS)},  # the owner batch
    }
    refused = saga("verify", "--chain", "--metrics", str(file))
    assert refused.status == 2
    assert "expected --metrics of a comparison with the tables, got --chain" in refused.err
