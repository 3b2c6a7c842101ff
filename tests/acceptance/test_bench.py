"""The benchmark as it is run, small: its figures are not judged here, machines are noisy; that it gives them is."""

import json

import pytest

from tests.program import run_module

pytestmark = pytest.mark.integration

SECONDS = 170
FIGURES = {
    "sagas_per_second",
    "messages_per_second",
    "p50_ms_at_1",
    "p99_ms_at_1",
    "p50_ms_at_half",
    "p99_ms_at_half",
    "kafka_messages_per_saga",
    "kafka_transactions_per_saga",
    "kafka_bytes_per_saga",
    "postgres_transactions_per_saga",
    "postgres_wal_bytes_per_saga",
    "memory_mb_start",
    "memory_mb_middle",
    "memory_mb_end",
}


def test_the_last_line_is_one_json_object_with_every_figure() -> None:
    small = ["--sagas", "400", "--alone", "50", "--seconds", "1", "--inbox", "postgres", "--json"]
    said = run_module("bench.transfer", *small, timeout_s=SECONDS)

    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout.splitlines()[-1])
    assert {name for name in FIGURES if found[name] <= 0} == set(), found
    assert (found["sagas"], found["compensated"], found["inbox"]) == (400, 40, "postgres")
    assert found["p50_ms_at_1"] <= found["p99_ms_at_1"]
    # Request, two replies, two commands, answer, outcome, three entries: fewer would be records that were not counted.
    assert found["kafka_messages_per_saga"] > 10
    assert set(found["cpu_ms_per_saga"]) == {"orchestrator", "participant", "kafka", "postgres", "driver"}
    assert found["floors"]["kafka_message_ms"] > 0
    assert found["ratios"]["p50_at_1_by_floor"] > 0
