"""docs/protocol.md holds: its command is what we send, its replies are what we read, its tables what we demand."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from orchestrator.blueprint.model import Blueprint, Message, Step
from orchestrator.blueprint.values import Data
from orchestrator.definition.decorator import SagaDefinition
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import body_of, decode_body
from orchestrator.wire.command import CommandTemplate, parse_command
from orchestrator.wire.headers import HeaderReader
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.reply import FAILURE, PROGRESS, ReceivedReply, parse_reply
from orchestrator.wire.topics import Topics
from tests.page import ROOT, codes
from tests.unit.wire.protocol_page import COMMAND, PAGE, REPLIES, listed, record_of

NOON_MS = 1_769_860_800_000
"""2026-01-31T12:00:00Z, the page's moment."""
SHARDS = 16
SEQ = 17


@dataclass(frozen=True, kw_only=True)
class Sent:
    saga_id: str = "t-1"
    command_id: str = "t-1/withdraw/0/do"
    body: Data
    key: str = "t-1"
    step: str = "withdraw"
    attempt: int = 1
    undoes: str | None = None
    expires_ms: int | None = NOON_MS + 10_000


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    import runpy

    definition = runpy.run_path(str(ROOT / "examples" / "money_transfer" / "saga.py"))["money_transfer"]
    assert isinstance(definition, SagaDefinition)
    return definition.compile()


@pytest.fixture(scope="module")
def messages(blueprint: Blueprint) -> dict[str, Message]:
    steps = [node for node in blueprint.nodes if isinstance(node, Step)]
    return {step.name: step.command for step in steps}


def test_the_command_is_what_is_sent(blueprint: Blueprint, messages: dict[str, Message]) -> None:
    withdraw, shard = messages["withdraw"], partition_of("t-1", SHARDS)
    template = CommandTemplate(Topics("saga"), shard, withdraw.type, "bank", blueprint.schemas[withdraw.schema])
    sent = Sent(body={"account": "alice", "amount": Decimal("12.50")})
    record = template.record(sent, partition=0, seq=SEQ, index=0, time_ms=NOON_MS)
    shown = record_of(COMMAND)
    assert (shown.topic, shown.key, shown.headers, shown.value) == (
        record.topic,
        record.key,
        record.headers,
        record.value,
    )


def test_the_table_of_a_commands_headers_is_complete() -> None:
    told = {name for row in PAGE.table("| header | what it says |") for name in codes(row[0])}
    assert told == {name for name, _ in record_of(COMMAND).headers} - {"ce_specversion"} | {"ce_undoes"}


def answer(name: str) -> tuple[ReceivedReply, HeaderReader, bytes | None]:
    record = record_of(REPLIES[name])
    assert (record.topic, record.key) == ("saga.replies", b"t-1")
    assert record.partition == partition_of("t-1", SHARDS)
    reply = parse_reply(record)
    assert (reply.saga_id, reply.attempt) == ("t-1", 1)
    return reply, HeaderReader(record), record.value


def test_replies_are_read_as_the_page_says(blueprint: Blueprint, messages: dict[str, Message]) -> None:
    schemas = blueprint.schemas
    receipt = codec_for(schemas[messages["withdraw"].reply or ""])
    not_found = codec_for(schemas[messages["deposit"].rejections["bank.AccountNotFound"]])
    bodies = {
        "completed": (receipt, {"balance": Decimal("87.50")}),
        "avro": (receipt, {"balance": Decimal("87.50")}),
        "rejected": (not_found, {"account": "bob"}),
        "failed": (FAILURE, {"type": "Busy", "message": "the account is locked"}),
        "progress": (PROGRESS, "asked the other branch"),
    }
    assert REPLIES.keys() == bodies.keys() | {"skipped"}
    for name, (codec, data) in bodies.items():
        reply, headers, value = answer(name)
        assert reply.outcome == ("completed" if name == "avro" else name)
        assert decode_body(body_of(headers, value), codec, lambda _: None) == data
    assert answer("rejected")[0].type == "bank.AccountNotFound"
    assert (answer("failed")[0].retryable, answer("failed")[0].retry_after_ms) == (True, 200)


def test_a_skipped_undo_has_no_body() -> None:
    reply, headers, value = answer("skipped")
    assert (reply.outcome, reply.skipped, body_of(headers, value)) == ("completed", True, None)


def test_the_reply_repeats_what_the_command_says() -> None:
    command, reply = parse_command(record_of(COMMAND)), record_of(REPLIES["completed"])
    assert (reply.topic, reply.partition) == (command.reply_to, command.reply_partition)
    assert parse_reply(reply).command_id == command.command_id


def without(name: str, listing: str) -> IncomingRecord:
    record = record_of(REPLIES[listing])
    return replace(record, headers=tuple(header for header in record.headers if header[0] != name))


def read(record: IncomingRecord) -> None:
    parse_reply(record)
    body_of(HeaderReader(record), record.value)


NEEDED = {"always": "completed", "on `rejected`": "rejected", "with a value": "completed", "with Avro": "avro"}
"""In which listing a header is needed."""


def test_headers_that_are_needed_are_and_others_are_not() -> None:
    told: set[str] = set()
    for names, needed, _ in PAGE.table("| header | needed | what it says |"):
        for name in codes(names):
            told.add(name)
            if needed == "no":
                for listing in REPLIES:
                    read(without(name, listing))
                continue
            assert name in listed(REPLIES[NEEDED[needed]])
            with pytest.raises(MessageRejected) as refused:
                read(without(name, NEEDED[needed]))
            assert refused.value.reason == "missing_header"
    assert told >= {name for text in REPLIES.values() for name, _ in record_of(text).headers}


@pytest.mark.parametrize("row", PAGE.table("| Avro | JSON | example |"))
def test_a_json_body_means_what_its_avro_does(row: list[str]) -> None:
    (schema,), (example,) = codes(row[0]), codes(row[2])
    codec = codec_for(json.loads(schema))
    data = codec.decode_json(example.encode())
    assert codec.decode(codec.encode(data)) == data
