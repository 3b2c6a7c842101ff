"""docs/protocol.md against a running orchestrator: its replies sent by hand, its participant run as it stands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from orchestrator.service import Service
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Shell
from tests.page import ROOT
from tests.servers import Servers
from tests.unit.wire.protocol_page import COMMAND, PROGRAM, REPLIES, listed, record_of

INPUT = '{"source": "alice", "target": "%s", "amount": "12.50"}'
Headers = dict[str, str]


@pytest.fixture
def file(bank_name: str, tmp_path: Path) -> Path:
    """The page's saga, to a bank of this test alone."""
    path = tmp_path / "saga.py"
    text = (ROOT / "examples" / "money_transfer" / "saga.py").read_text()
    path.write_text(text.replace('to="bank"', f'to="{bank_name}"').replace("seconds(10)", "seconds(60)"))
    return path


@dataclass
class Wire:
    """Kafka without any code of ours."""

    bank: str
    producer: Producer
    consumer: Consumer

    def records(self) -> Iterator[tuple[Headers, bytes]]:
        """What comes; whoever wants more than there is waits, and fails in the end."""
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit:
            record = self.consumer.poll(0.1)
            if record is None:
                continue
            assert record.error() is None, record.error()
            yield {name: value.decode() for name, value in _headers_of(record)}, record.value() or b""
        raise AssertionError("expected another record, got none")

    def reply(self, listing: str, command: Headers) -> None:
        """A listing of the page; attempt, topic and partition are the command's."""
        record = record_of(REPLIES[listing].replace("bank", self.bank))
        headers = {name: value.decode() for name, value in record.headers} | {"ce_attempt": command["ce_attempt"]}
        assert headers["ce_commandid"] == command["ce_id"]
        self.send(command["ce_replyto"], int(command["ce_replypartition"]), record.key or b"", headers, record.value)

    def send(self, topic: str, partition: int, key: bytes, headers: Headers, value: bytes | None) -> None:
        self.producer.produce(topic, partition=partition, key=key, headers={**headers}, value=value)
        assert self.producer.flush(PATIENCE_S) == 0


def _headers_of(record: Message) -> list[tuple[str, bytes]]:
    headers = record.headers() or []
    return [(name, value) for name, value in headers if isinstance(value, bytes)]


@contextmanager
def wire(kafka: str, bank: str, topic: str, partitions: int) -> Generator[Wire]:
    settings = {"bootstrap.servers": kafka, "group.id": bank, "isolation.level": "read_committed"}
    with closing(Consumer({**settings, "enable.auto.commit": False})) as consumer:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        yield Wire(bank, Producer({"bootstrap.servers": kafka, "linger.ms": 0}), consumer)


def test_the_page_is_enough_to_be_a_participant(
    orchestrator: Service, saga: Shell, file: Path, bank_name: str, namespace: str, servers: Servers
) -> None:
    """One test for both: what costs time is the orchestrator."""
    (file.parent / "schemas.json").write_text(saga("schemas", str(file), "--json").out)
    with program(file.parent, servers.kafka, bank_name):
        the_program_does_each_command_once(saga, servers.kafka, bank_name, f"{namespace}.answers")
    replies_typed_by_hand_bring_a_saga_to_its_end(saga, servers.kafka, bank_name)


def replies_typed_by_hand_bring_a_saga_to_its_end(saga: Shell, kafka: str, bank: str) -> None:
    assert saga("start", "money_transfer", "--id", "t-1", "--input", INPUT % "bob").status == 0
    with wire(kafka, bank, f"{bank}.commands", SHARDS) as hand:
        commands = (headers for headers, _ in hand.records() if headers["ce_subject"] == "t-1")
        first = next(commands)
        shown = listed(COMMAND)
        same = {"ce_specversion", "content-type", "ce_id", "ce_subject", "ce_sagastep", "ce_attempt", "traceparent"}
        assert {name: first[name] for name in same} == {name: shown[name] for name in same}
        assert first.keys() == dict(record_of(COMMAND).headers).keys()
        hand.reply("progress", first)
        hand.reply("failed", first)
        second = next(commands)
        assert (second["ce_id"], second["ce_attempt"]) == (first["ce_id"], "2")
        hand.reply("completed", second)
        hand.reply("rejected", next(commands))
        undo = next(commands)
        assert undo["ce_undoes"] == first["ce_id"]
        hand.reply("skipped", undo)
    ended = saga("start", "money_transfer", "--id", "t-1", "--input", INPUT % "bob", "--wait", "--json")
    assert ended.status == 3
    assert json.loads(ended.out)["rejection"] == {"account": "bob"}
    events = json.loads(saga("show", "t-1", "--json").out)["events"]
    assert [event["type"] for event in events] == [
        "SagaStarted",
        "CommandSent",
        "AttemptProgressed",
        "AttemptFailed",
        "CommandSent",
        "StepCompleted",
        "CommandSent",
        "StepRejected",
        "CompensationStarted",
        "CommandSent",
        "StepUndone",
        "SagaCompensated",
    ]


@contextmanager
def program(folder: Path, kafka: str, bank: str) -> Generator[None]:
    """The page's participant, running in this folder."""
    text = PROGRAM.replace('"bank.', f'"{bank}.').replace('"/bank"', f'"/{bank}"').replace(f'"{bank}.db"', '"bank.db"')
    (folder / "bank.py").write_text(text)
    with (folder / "bank.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "bank.py"], cwd=folder, env={**os.environ, "SAGA_KAFKA": kafka}, stdout=log, stderr=log
        )
        try:
            yield
            assert process.poll() is None, (folder / "bank.log").read_text()
        finally:
            process.kill()
            process.wait()


def the_program_does_each_command_once(saga: Shell, kafka: str, bank: str, answers: str) -> None:
    def ended(saga_id: str, target: str) -> tuple[int, object, object]:
        called = saga("start", "money_transfer", "--id", saga_id, "--input", INPUT % target, "--wait", "--json")
        told = json.loads(called.out)
        return called.status, told["output"], told["rejection"]

    assert ended("t-2", "bob") == (0, {"balance": "12.5"}, None)
    assert ended("t-3", "nobody") == (3, None, {"account": "nobody"})
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(answers, 1, -1)])[answers].result(PATIENCE_S)
    with wire(kafka, bank, f"{bank}.commands", SHARDS) as hand:
        sent: dict[str, tuple[Headers, bytes]] = {}
        for headers, value in hand.records():
            sent[headers["ce_id"]] = (headers, value)
            if {"t-3/withdraw/0/do", "t-3/withdraw/0/undo"} <= sent.keys():
                break
        do, undo = sent["t-3/withdraw/0/do"], sent["t-3/withdraw/0/undo"]
        again = [
            ("t-3", do, {}),
            ("t-4", undo, {}),  # before its do, which comes next
            ("t-4", do, {}),
            ("t-5", do, {"ce_expires": "2026-01-31T12:00:00.000Z"}),
            ("t-3", undo, {}),
        ]
        for saga_id, (headers, value), changes in again:
            mine = {name: text.replace("t-3", saga_id) for name, text in headers.items()} | changes
            mine |= {"ce_replyto": answers, "ce_replypartition": "0"}
            hand.send(f"{bank}.commands", 0, saga_id.encode(), mine, value)
    with wire(kafka, bank, answers, 1) as hand:
        seen = hand.records()
        replies = [next(seen) for _ in again]
    names = ("ce_commandid", "ce_outcome", "ce_retryable", "ce_noeffect", "ce_skipped")
    assert [tuple(headers.get(name, "") for name in names) for headers, _ in replies] == [
        ("t-3/withdraw/0/do", "completed", "", "", ""),
        ("t-4/withdraw/0/undo", "completed", "", "", "true"),
        ("t-4/withdraw/0/do", "failed", "false", "true", ""),
        ("t-5/withdraw/0/do", "failed", "true", "", ""),
        ("t-3/withdraw/0/undo", "completed", "", "", ""),
    ]
    balances = [json.loads(value)["balance"] for _, value in (replies[0], replies[-1])]
    assert list(map(float, balances)) == [75.0, 87.5]  # what they were then: nothing was done again
