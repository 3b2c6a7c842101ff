"""A connector in front of a real HTTP server, without Kafka: command records in, replies out."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.blueprint.values import Data
from orchestrator.participant.answering import Answering
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, body_of
from orchestrator.wire.command import CommandTemplate
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import ReceivedReply, decode_failure, parse_reply
from orchestrator.wire.topics import Topics
from orchestrator_connectors.http.assembly import participant_of
from orchestrator_connectors.http.configuration import load
from orchestrator_connectors.http.contract import contracts
from orchestrator_connectors.http.sender import HttpSender
from tests.http_server import HttpServer, running
from tests.unit.connectors.messages import payment
from tests.unit.participant.no_schemas import NoSchemas

CONFIGURATION = """
participant = "bank"
url = "{url}/api"
timeout_s = 5
response_bytes_max = 1000

[headers]
Authorization = "Bearer ${TOKEN}"

[[command]]
name = "bank.Withdraw"
path = "/accounts/{account}/withdrawals?day={day}"
body = ["amount", "memo"]
on_status = { 402 = { rejected = "bank.InsufficientFunds" }, 410 = { rejected = "bank.Closed" } }

[[command]]
name = "bank.Refund"
method = "PUT"
path = "/refunds"
headers = { X-Desk = "refunds" }

[[command]]
name = "bank.FindReceipt"
method = "GET"
path = "/accounts/{account}/receipt"
on_status = { 404 = "none" }
"""
WITHDRAW: dict[str, Data] = {
    "account": "a/ö b",
    "amount": Decimal("12.500000000"),
    "day": date(2026, 1, 2),
    "memo": None,
}
BLUEPRINT = payment.compile()


@dataclass(frozen=True)
class Told:
    """A reply, with its body as data or, of a failure, as type and text."""

    reply: ReceivedReply
    body: Any

    @property
    def failure(self) -> tuple[str, bool]:
        """Its type, and whether the command is sent again."""
        assert self.reply.outcome == "failed"
        assert not self.reply.no_effect
        return self.body[0], self.reply.retryable


@dataclass
class Connector:
    """Asks a connector."""

    server: HttpServer
    answering: Answering

    def ask(self, name: str = "Withdraw", body: dict[str, Data] = WITHDRAW, **changes: Any) -> Told:
        found = contracts([], [BLUEPRINT], "bank")[f"bank.{name}"]
        template = CommandTemplate(Topics("saga"), 2, f"bank.{name}", "bank", found.command.schema)
        role = changes.pop("role", "do")
        attempt: Any = SimpleNamespace(
            saga_id="s",
            command_id=f"s/withdraw/0/{role}",
            body=body,
            key="s",
            step="withdraw",
            attempt=1,
            undoes=None if role == "do" else "s/withdraw/0/do",
            expires_ms=None,
        )
        vars(attempt).update(changes)
        made = template.record(attempt, partition=0, seq=1, index=0, time_ms=0)
        record = self.answering.answer(IncomingRecord(made.topic, 0, 7, 0, made.key, made.headers, made.value), None)
        assert isinstance(record, OutgoingRecord)
        reply = parse_reply(IncomingRecord(record.topic, 2, 0, 0, record.key, record.headers, record.value))
        found_body = body_of(reply.headers, record.value)
        if reply.outcome == "failed":
            return Told(reply, decode_failure(found_body))
        if found_body is None:
            return Told(reply, None)
        assert isinstance(found_body, AvroBody)
        return Told(reply, codec_for(BLUEPRINT.schemas[found_body.schema_id]).decode(found_body.value))


@pytest.fixture
def server() -> Generator[HttpServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def sender() -> Generator[HttpSender]:
    """One for all, as all commands of a process have one: what one leaves behind, another meets."""
    with HttpSender(connections_max=2, response_bytes_max=1000) as sender:
        yield sender


@pytest.fixture
def connect(server: HttpServer, sender: HttpSender, tmp_path: Path) -> Callable[[str], Connector]:
    """A connector with this configuration; ``{url}`` is the server's."""
    file = tmp_path / "bank.toml"

    def made(configuration: str) -> Connector:
        file.write_text(configuration.replace("{url}", server.url))
        participant = participant_of(
            load(file, {"TOKEN": "hush", "LONG": "hush-hush", "BLANK": " ", "NONE": ""}),
            contracts([], [BLUEPRINT], "bank"),
            sender,
        )
        return Connector(server, Answering("bank", participant._exchanges.values(), NoSchemas()))

    return made


@pytest.fixture
def connector(connect: Callable[[str], Connector]) -> Connector:
    return connect(CONFIGURATION)
