"""A reply that nobody could read: found, looked at, redriven once its schema is deployed, and counted once."""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from orchestrator.service import Service
from orchestrator.wire.avro import codec_for
from orchestrator.wire.partition import partition_of
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Shell
from tests.waiting import until

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'
RECEIPT = "balance: Decimal\n"


@pytest.fixture
def file(file: Path) -> Path:
    """Its attempts are not over while the test looks around."""
    file.write_text(file.read_text().replace("seconds(30)", "seconds(600)"))
    return file


class Hand:
    """Replies to t1 by hand, without any code of ours."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0})
        self._topic = f"{namespace}.replies"

    def completed(self, step: str, value: bytes, **headers: str) -> None:
        told = {"ce_subject": "t1", "ce_commandid": f"t1/{step}/0/do", "ce_attempt": "1", "ce_outcome": "completed"}
        partition = partition_of("t1", SHARDS)
        self._producer.produce(self._topic, value, key="t1", partition=partition, headers={**told, **headers})
        assert self._producer.flush(PATIENCE_S) == 0


def listed(saga: Shell, *more: str) -> list[dict[str, Any]]:
    return json.loads(saga("quarantine", "list", "--json", *more).out)


def test_a_poison_reply_is_redriven_once_its_schema_is_deployed(
    orchestrator: Service, saga: Shell, file: Path, kafka: str, namespace: str, bank_name: str
) -> None:
    newer = file.with_name("newer.py")
    newer.write_text(file.read_text().replace(RECEIPT, f'{RECEIPT}    note: str = ""\n'))
    schemas = json.loads(saga("schemas", str(newer), "--json").out)
    (receipt,) = (each for each in schemas if each["schema"]["name"] == f"{bank_name}.Receipt")
    hand = Hand(kafka, namespace)

    assert saga("start", "money_transfer", "--id", "t1", "--input", INPUT).status == 0
    value = codec_for(receipt["schema"]).encode({"balance": Decimal(12), "note": "new"})
    hand.completed("withdraw", value, **{"content-type": "application/avro", "ce_dataschema": receipt["schema_id"]})
    until(lambda: listed(saga))
    (found,) = listed(saga, "--saga", "t1", "--reason", "unknown_schema", "--since", "1h")
    assert (found["id"], found["obstacle"], found["settled"]) == ("t1/withdraw/0/do", None, None)
    assert "unreadable" in saga("incidents").out
    place = found["place"]
    shown = json.loads(saga("quarantine", "show", place, "--json").out)
    assert base64.b64decode(shown["value"]) == value
    assert receipt["schema_id"] in saga("quarantine", "show", place).out

    assert saga("quarantine", "redrive", "--saga", "t1").status == 2
    assert saga("deploy", str(newer)).status == 0
    again = saga("quarantine", "redrive", "--saga", "t1", "--yes", "--by", "alice")
    assert (again.status, again.out.splitlines()[-1]) == (0, f"{place} redriven")
    assert saga("quarantine", "redrive", place, "--yes").status == 0
    hand.completed("deposit", b'{"balance": "12.5"}', **{"content-type": "application/json"})  # behind both
    until(lambda: json.loads(saga("show", "t1", "--json").out)["status"] == "completed")
    events = [event["type"] for event in json.loads(saga("show", "t1", "--json").out)["events"]]
    assert events == [
        "SagaStarted",
        "LabelsSet",
        "CommandSent",
        "IncidentOpened",
        "StepCompleted",
        "IncidentClosed",
        "CommandSent",
        "StepCompleted",
        "SagaCompleted",
    ]
    assert listed(saga) == []
    (settled,) = listed(saga, "--all")
    assert (settled["place"], settled["settled"]["by"]) == (place, "alice")
