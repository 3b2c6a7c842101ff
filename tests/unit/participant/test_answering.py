"""From a command record to a reply record, without Kafka and Postgres."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator import Command, Context, Participant, PostgresInbox, Record, Rejection
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import ConfigError, Unavailable
from orchestrator.participant import answering as module
from orchestrator.participant.answering import Answering
from orchestrator.participant.inbox import Delivery
from orchestrator.wire.body import body_of
from orchestrator.wire.command import CommandTemplate
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import Answer, ReceivedReply, decode_failure, decode_progress, parse_reply
from orchestrator.wire.topics import Topics
from tests.unit.participant.no_schemas import NoSchemas
from tests.unit.wire.samples import replaced

FAR = 4_102_444_800_000


class Receipt(Record):
    balance: int


class Withdraw(Command[Receipt], to="bank"):
    account: str

    def __post_init__(self) -> None:
        if self.account == "wrong":
            raise ValueError("expected an account, got 'wrong'")
        if self.account == "worse":
            raise LookupError("no accounts today")


@dataclass
class RecordingSession:
    """An inbox that is asked, and keeps nothing."""

    asked: list[Delivery]

    def once(self, delivery: Delivery, handle: Callable[[None], Answer]) -> Answer:
        self.asked.append(delivery)
        return handle(None)

    def close(self) -> None:
        raise AssertionError


def answering(handler: Callable[[Withdraw, Context[None]], Receipt], *, parks: bool = False) -> Answering:
    bank = Participant("bank")
    bank.handles(Withdraw)(handler)
    return Answering("bank", bank._exchanges.values(), NoSchemas(), parks=parks)


def command(
    account: str, command_id: str = "s/withdraw/0/do", undoes: str | None = None, saga_id: str = "s"
) -> IncomingRecord:
    template = CommandTemplate(Topics("saga"), 2, "bank.Withdraw", "bank", avro_schema(Withdraw, "bank"))
    attempt: Any = SimpleNamespace(
        saga_id=saga_id,
        command_id=command_id,
        body={"account": account},
        key="s",
        step="withdraw",
        attempt=1,
        undoes=undoes,
        expires_ms=FAR,
    )
    made = template.record(attempt, partition=0, seq=1, index=0, time_ms=0)
    return IncomingRecord(made.topic, 0, 7, 0, made.key, made.headers, made.value)


def parsed(reply: OutgoingRecord | None) -> tuple[ReceivedReply, tuple[str, str] | None]:
    assert reply is not None
    assert (reply.topic, reply.partition) == ("saga.replies", 2)
    record = IncomingRecord(reply.topic, reply.partition, 0, 0, reply.key, reply.headers, reply.value)
    found = parse_reply(record)
    assert found.saga_id.encode() == reply.key
    return found, decode_failure(body_of(found.headers, record.value)) if found.outcome == "failed" else None


def receipt(_command: Withdraw, _context: Context[None]) -> Receipt:
    return Receipt(balance=1)


def test_a_command_that_its_own_class_refuses_is_unreadable() -> None:
    reply, failure = parsed(answering(receipt).answer(command("wrong"), None))
    assert (reply.outcome, reply.retryable, failure) == (
        "failed",
        False,
        ("Unreadable", "expected an account, got 'wrong'"),
    )


def test_whatever_cannot_be_answered_may_be_tried_again() -> None:
    reply, failure = parsed(answering(receipt).answer(command("worse"), None))
    assert (reply.outcome, reply.retryable, failure) == ("failed", True, ("LookupError", "no accounts today"))


def test_an_exception_with_a_text_that_utf_8_cannot_hold_is_answered_with_that_text_escaped() -> None:
    def failing(_command: Withdraw, _context: Context[None]) -> Receipt:
        raise FileNotFoundError("r\udcffsum\udce9.txt")

    _, failure = parsed(answering(failing).answer(command("a"), None))
    assert failure == ("FileNotFoundError", r"r\udcffsum\udce9.txt")


def test_what_is_no_command_is_counted_and_passed_over() -> None:
    found = answering(receipt)
    assert found.answer(IncomingRecord("bank.commands", 0, 0, 0, None), None) is None
    assert found.unreadable == 1


def test_the_inbox_is_told_what_a_command_undoes() -> None:
    session = RecordingSession([])
    found = answering(receipt)
    found.answer(command("a"), session)
    found.answer(command("a", "s/withdraw/0/undo", undoes="s/withdraw/0/do"), session)
    assert session.asked == [
        Delivery(namespace="saga", command_id="s/withdraw/0/do", undoes=None, role="do"),
        Delivery(namespace="saga", command_id="s/withdraw/0/undo", undoes="s/withdraw/0/do", role="undo"),
    ]


def test_while_the_inbox_is_out_of_reach_there_is_no_answer() -> None:
    class Gone(RecordingSession):
        def once(self, delivery: Delivery, handle: Callable[[None], Answer]) -> Answer:
            raise Unavailable(delivery.command_id)

    with pytest.raises(Unavailable):
        answering(receipt).answer(command("a"), Gone([]))


def test_a_handlers_own_unavailable_is_retryable() -> None:
    def elsewhere(_command: Withdraw, _context: Context[None]) -> Receipt:
        raise Unavailable("another service")

    reply, failure = parsed(answering(elsewhere).answer(command("a"), RecordingSession([])))
    assert (reply.retryable, failure) == (True, ("Unavailable", "another service"))


def test_without_the_driver_an_inbox_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'saga-orchestrator\[postgres\]'"):
        PostgresInbox("postgresql://")


def progress_of(record: OutgoingRecord) -> tuple[str, str | None]:
    read = IncomingRecord(record.topic, record.partition, 0, 0, record.key, record.headers, record.value)
    found = parse_reply(read)
    return found.outcome, decode_progress(found.headers, record.value)


def test_progress_is_sent_while_the_handler_runs_and_no_more_often_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    sent: list[OutgoingRecord] = []
    seen: list[int] = []

    def at_work(_command: Withdraw, context: Context[None]) -> Receipt:
        for detail, passed_s in (("a", 0.0), ("left out", 0.1), ("b", 0.15), ("c" * 3_000, 1.0)):
            now[0] += passed_s
            context.progress(detail)
            seen.append(len(sent))
        return Receipt(balance=1)

    reply, _ = parsed(answering(at_work).answer(command("a"), None, sent.append))
    assert reply.outcome == "completed"
    assert seen == [1, 1, 2, 3]
    assert [progress_of(record) for record in sent] == [
        ("progress", "a"),
        ("progress", "b"),
        ("progress", "c" * 2_000),
    ]


def test_a_handler_that_is_called_alone_may_progress() -> None:
    Context(None, "id").progress("nobody hears it")


OF_NOBODY = IncomingRecord("bank.commands", 3, 9, 0, b"key", (("some", b"header"),), b"value")


def without_schema(record: IncomingRecord) -> IncomingRecord:
    return replace(record, headers=tuple(header for header in record.headers if header[0] != "ce_dataschema"))


def of_another_type(record: IncomingRecord) -> IncomingRecord:
    return replace(record, headers=replaced(record.headers, "ce_type", b"bank.Younger"))


@pytest.mark.parametrize(
    ("record", "reason", "text"),
    [
        (OF_NOBODY, "missing_header", "expected a command id"),
        (without_schema(command("a")), "missing_header", "expected the id of the schema"),
        (of_another_type(command("a")), "unknown_command", "expected one of bank.Withdraw, got bank.Younger"),
        (command("wrong"), "undecodable", "expected an account, got 'wrong'"),
    ],
)
def test_what_cannot_be_read_is_parked_whole_and_an_inbox_keeps_nothing(
    record: IncomingRecord, reason: str, text: str
) -> None:
    kept: list[Answer] = []

    class Keeping(RecordingSession):
        def once(self, delivery: Delivery, handle: Callable[[None], Answer]) -> Answer:
            kept.append(handle(None))
            return kept[-1]

    found = answering(receipt, parks=True)
    parked = found.answer(record, Keeping([]))
    assert parked is not None
    assert (parked.topic, parked.partition, parked.value) == ("bank.parked", 0, record.value)
    headers = dict(parked.headers)
    assert (headers["quarantine_reason"], headers["quarantine_key"]) == (reason.encode(), record.key)
    assert text in headers["quarantine_text"].decode()
    assert headers["quarantine_source"] == f"bank.commands/{record.partition}/{record.offset}".encode()
    assert [(name, value) for name, value in parked.headers if name.startswith("original_")] == [
        (f"original_{name}", value) for name, value in record.headers
    ]
    assert (kept, found.unreadable) == ([], 1)


def test_what_is_larger_than_its_topic_takes_is_answered_and_never_parked_twice() -> None:
    found = answering(receipt, parks=True)
    record = command("a")
    reply = found.answer(record, None)
    assert reply is not None
    instead, failure = parsed(found.too_large(record, reply))
    assert (instead.retryable, failure and failure[0]) == (False, "ReplyTooLarge")
    parked = found.answer(OF_NOBODY, None)
    assert parked is not None
    assert found.too_large(OF_NOBODY, parked) is None


def test_another_way_with_what_cannot_be_read_is_refused() -> None:
    wrong: Any = "drop"
    with pytest.raises(
        ValueError, match="expected unreadable='answer' or 'park', got 'drop', in the participant 'bank'"
    ):
        Participant("bank", unreadable=wrong)


class Closed(Rejection):
    """Not among those that ``Withdraw`` declares."""


def closed(_command: Withdraw, _context: Context[None]) -> Receipt:
    raise Closed


def nothing(_command: Withdraw, _context: Context[None]) -> Receipt:
    wrong: Any = None
    return wrong


@pytest.mark.parametrize(
    ("handler", "account", "kind", "text"),
    [
        (closed, "a", "UndeclaredRejection", "Closed, which Withdraw does not declare"),
        (nothing, "a", "WrongReply", "the handler of Withdraw: "),
        (receipt, "wrong", "Unreadable", "expected an account, got 'wrong'"),
    ],
)
def test_what_is_no_answer_is_logged_with_what_its_saga_is_told(
    handler: Callable[[Withdraw, Context[None]], Receipt], account: str, kind: str, text: str
) -> None:
    with capture_logs() as logs:
        _, failure = parsed(answering(handler).answer(command(account), None))
    (line,) = logs
    assert failure == (line["type"], line["why"])
    assert (line["log_level"], line["command"], line["type"]) == ("warning", "s/withdraw/0/do", kind)
    assert text in line["why"]


def test_a_command_that_no_handler_is_for_is_logged_unless_it_is_parked() -> None:
    with capture_logs() as logs:
        _, failure = parsed(Answering("bank", [], NoSchemas()).answer(command("a"), None))
    assert [(line["log_level"], line["type"], line["why"]) for line in logs] == [("warning", *(failure or ()))]
    assert failure is not None
    assert failure[0] == "UnknownCommand"
    with capture_logs() as logs:
        Answering("bank", [], NoSchemas(), parks=True).answer(command("a"), None)
    assert [line["event"] for line in logs] == ["a record that cannot be read is parked"]


@pytest.mark.parametrize("error", [SystemExit("no vault"), asyncio.CancelledError("no vault")])
def test_a_handler_that_exits_or_is_cancelled_ends_its_attempt_and_not_the_program(error: BaseException) -> None:
    def leaves(_command: Withdraw, _context: Context[None]) -> Receipt:
        raise error

    with capture_logs() as logs:
        reply, failure = parsed(answering(leaves).answer(command("a"), None))
    assert (reply.retryable, failure) == (True, (type(error).__name__, "no vault"))
    assert [(line["event"], line["command"]) for line in logs] == [("a handler raised", "s/withdraw/0/do")]


def test_without_inbox_there_is_no_connection_and_it_says_so() -> None:
    def writes(_command: Withdraw, context: Context) -> Receipt:
        context.connection.execute("select 1")
        return Receipt(balance=1)

    handler: Any = writes
    _, failure = parsed(answering(handler).answer(command("a"), None))
    assert failure is not None
    assert failure[0] == "RuntimeError"
    assert "this participant has none" in failure[1]
