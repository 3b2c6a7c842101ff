"""A participant on a real Kafka: what it answers, and what it never does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from orchestrator.broker.topology import parking_topic
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import TopicMismatch
from orchestrator.participant.context import Context, RetryLater
from orchestrator.participant.participant import Participant
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.registry import SchemaRegistry, schema_record
from tests.integration.participant.conftest import Side
from tests.integration.participant.messages import (
    AccountNotFound,
    FindReceipt,
    InsufficientFunds,
    Receipt,
    Refund,
    Statement,
    Withdraw,
    Younger,
)

WITHDRAW = Withdraw(account="a", amount=Decimal(30))
REFUND = Refund(account="a", amount=Decimal(30))


def one(_command: Withdraw, _context: Context[None]) -> Receipt:
    return Receipt(balance=Decimal(1))


def bank_without_inbox(side: Side, handler: Callable[[Withdraw, Context[None]], Receipt]) -> Participant[None]:
    bank = Participant(side.bank)
    bank.handles(Withdraw)(handler)
    return bank


def bank_with(side: Side, inbox: PostgresInbox) -> Participant:
    bank = Participant(side.bank, inbox=inbox)

    def add(context: Context, account: str, amount: Decimal) -> Receipt:
        row = context.connection.execute(
            "update accounts set balance = balance + %s where id = %s returning balance", (amount, account)
        ).fetchone()
        if row is None:
            raise AccountNotFound(account=account)
        return Receipt(balance=row[0])

    def withdraw(command: Withdraw, context: Context) -> Receipt:
        receipt = add(context, command.account, -command.amount)
        if receipt.balance < 0:
            raise InsufficientFunds(balance=receipt.balance + command.amount)
        return receipt

    def refund(command: Refund, context: Context) -> None:
        add(context, command.account, command.amount)

    def find(query: FindReceipt, context: Context) -> Receipt | None:
        row = context.connection.execute("select balance from accounts where id = %s", (query.account,)).fetchone()
        return Receipt(balance=row[0]) if row else None

    bank.handles(Withdraw)(withdraw)
    bank.handles(Refund)(refund)
    bank.handles(FindReceipt)(find)
    return bank


def test_a_command_is_answered_where_it_says_with_its_schema_published_before(side: Side) -> None:
    bank = bank_without_inbox(side, lambda command, _: Receipt(balance=100 - command.amount, note="ok"))
    with bank.running(side.settings):
        side.send(side.command(WITHDRAW, "s", shard=1, attempt=3))
        (record,) = side.next_records(1)
    assert (record.partition, record.key) == (1, b"s")
    headers = dict(record.headers)
    assert headers["ce_commandid"] == b"s/withdraw/0/do"
    assert (headers["ce_subject"], headers["ce_attempt"], headers["ce_outcome"]) == (b"s", b"3", b"completed")
    assert side.body(record) == {"balance": Decimal("70.000000000"), "note": "ok"}
    registry, follower = SchemaRegistry(), side.broker.follower(side.topics.schemas)
    for published in follower.catch_up():
        registry.learn(published)
    follower.close()
    assert registry.get(headers["ce_dataschema"].decode()) == avro_schema(Receipt, side.bank)


def test_each_schema_is_published_once(side: Side) -> None:
    for attempt in (1, 2):
        with bank_without_inbox(side, one).running(side.settings):
            side.reply_to(side.command(WITHDRAW, attempt=attempt))
    follower = side.broker.follower(side.topics.schemas)
    keys = [record.key for record in follower.catch_up()]
    follower.close()
    assert len(keys) == len(set(keys)) == 6  # command, reply, two rejections, failure, progress


def test_rejections_are_answered_raised_or_returned(side: Side, bank_name: str) -> None:
    def withdraw(command: Withdraw, context: Context[None]) -> Receipt | InsufficientFunds:
        if context.attempt == 1:
            raise AccountNotFound(account=command.account)
        return InsufficientFunds(balance=Decimal(5))

    bank = Participant(bank_name)
    bank.handles(Withdraw)(withdraw)
    with bank.running(side.settings):
        raised, account = side.reply_to(side.command(WITHDRAW))
        returned, balance = side.reply_to(side.command(WITHDRAW, attempt=2))
    assert (raised.outcome, raised.type, account) == ("rejected", f"{bank_name}.AccountNotFound", {"account": "a"})
    assert (returned.type, balance) == (f"{bank_name}.InsufficientFunds", {"balance": Decimal("5.000000000")})


class Other(Exception):
    pass


class Undeclared(AccountNotFound):
    pass


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (Other("what"), "Other", "what"),
        (Undeclared(account="x"), "UndeclaredRejection", "write Command[…, AccountNotFound | InsufficientFunds | Und"),
        (RetryLater(after=timedelta(seconds=1.5)), "RetryLater", "0:00:01.5"),
    ],
)
def test_whatever_else_is_raised_may_be_tried_again(side: Side, raised: Exception, kind: str, text: str) -> None:
    def fail(_command: Withdraw, _context: Context[None]) -> Receipt:
        raise raised

    with bank_without_inbox(side, fail).running(side.settings):
        reply, body = side.reply_to(side.command(WITHDRAW))
    assert (reply.outcome, reply.retryable, reply.no_effect) == ("failed", True, False)
    assert reply.retry_after_ms == (1500 if kind == "RetryLater" else 0)
    assert isinstance(body, list)
    assert body[0] == kind
    assert text in str(body[1])


@pytest.mark.parametrize("wrong", [None, {"balance": 1}, Receipt(balance=Decimal("1e-12"))])
def test_an_answer_of_the_wrong_type_is_not_sent(side: Side, wrong: Receipt) -> None:
    with bank_without_inbox(side, lambda _command, _context: wrong).running(side.settings):
        reply, body = side.reply_to(side.command(WITHDRAW))
    assert (reply.outcome, reply.retryable) == ("failed", True)
    assert isinstance(body, list)
    assert body[0] == "WrongReply"


def test_with_an_inbox_a_duplicate_gets_the_first_answer(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    first, second = (side.command(WITHDRAW, "s", attempt=attempt) for attempt in (1, 2))
    with bank_with(side, inbox).running(side.settings):
        reply, body = side.reply_to(first)
        again, same = side.reply_to(second)
    assert (reply.outcome, body) == ("completed", {"balance": Decimal("70.000000000"), "note": ""})
    assert (again, same) == (replace(reply, attempt=2), body)
    assert accounts() == {"a": Decimal(70)}


def test_a_rejection_takes_the_handlers_work_back(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    poor = Withdraw(account="a", amount=Decimal(1000))
    with bank_with(side, inbox).running(side.settings):
        reply, body = side.reply_to(side.command(poor))
    assert (reply.outcome, body) == ("rejected", {"balance": Decimal("100.000000000")})
    assert accounts() == {"a": Decimal(100)}


def test_an_undo_before_its_do_is_skipped_and_the_late_do_refused(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    with bank_with(side, inbox).running(side.settings):
        undo, undo_body = side.reply_to(side.command(REFUND, "s", role="undo"))
        do, do_body = side.reply_to(side.command(WITHDRAW, "s"))
    assert (undo.outcome, undo.skipped, undo_body) == ("completed", True, None)
    assert (do.outcome, do.retryable, do.no_effect) == ("failed", False, True)
    assert do_body == ["Refused", "its undo or probe came first: the command is not done any more"]
    assert accounts() == {"a": Decimal(100)}


def test_a_probe_asks_and_a_do_after_it_is_refused(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    with bank_with(side, inbox).running(side.settings):
        probe, found = side.reply_to(side.command(FindReceipt(account="none"), "s", role="probe"))
        do, _ = side.reply_to(side.command(WITHDRAW, "s"))
        undo, _ = side.reply_to(side.command(REFUND, "s", role="undo"))
    assert (probe.outcome, probe.skipped, found) == ("completed", False, None)
    assert (do.outcome, do.no_effect) == ("failed", True)
    assert undo.skipped is True
    assert accounts() == {"a": Decimal(100)}


def test_an_undo_after_its_do_is_done(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    with bank_with(side, inbox).running(side.settings):
        side.reply_to(side.command(WITHDRAW, "s"))
        undo, _ = side.reply_to(side.command(REFUND, "s", role="undo"))
    assert (undo.outcome, undo.skipped) == ("completed", False)
    assert accounts() == {"a": Decimal(100)}


def test_an_expired_do_is_refused_and_a_later_attempt_is_done(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    with bank_with(side, inbox).running(side.settings):
        expired, body = side.reply_to(side.command(WITHDRAW, "s", expires_ms=1_700_000_000_000))
        undo, _ = side.reply_to(side.command(REFUND, "other", role="undo", expires_ms=1_700_000_000_000))
        later, _ = side.reply_to(side.command(WITHDRAW, "s", attempt=2))
    assert (expired.outcome, expired.retryable, body) == (
        "failed",
        True,
        ["Expired", "its attempt had ended before it was read"],
    )
    assert undo.outcome == "completed"
    assert later.outcome == "completed"
    assert accounts() == {"a": Decimal(70)}


def test_an_expired_duplicate_still_gets_the_first_answer(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    with bank_with(side, inbox).running(side.settings):
        side.reply_to(side.command(WITHDRAW, "s"))
        again, _ = side.reply_to(side.command(WITHDRAW, "s", attempt=2, expires_ms=1_700_000_000_000))
    assert again.outcome == "completed"
    assert accounts() == {"a": Decimal(70)}


def test_an_unreadable_command_is_refused_for_good_with_an_inbox(
    side: Side, inbox: PostgresInbox, accounts: Callable[[], dict[str, Decimal]]
) -> None:
    broken = replace(side.command(WITHDRAW, "s"), value=b"\xc3\x01rubbish")
    with bank_with(side, inbox).running(side.settings):
        reply, body = side.reply_to(broken)
        later, _ = side.reply_to(side.command(WITHDRAW, "s", attempt=2))
        undo, _ = side.reply_to(side.command(REFUND, "s", role="undo"))
    assert (reply.outcome, reply.retryable, reply.no_effect) == ("failed", False, True)
    assert isinstance(body, list)
    assert body[0] == "Unreadable"
    assert (later.outcome, later.no_effect) == ("failed", True)
    assert undo.skipped is True
    assert accounts() == {"a": Decimal(100)}


def test_without_an_inbox_an_unreadable_command_may_have_been_done(side: Side) -> None:
    broken = replace(side.command(WITHDRAW), value=b"")
    with bank_without_inbox(side, one).running(side.settings):
        reply, _ = side.reply_to(broken)
    assert (reply.outcome, reply.retryable, reply.no_effect) == ("failed", False, False)


def test_a_command_that_nobody_handles_is_named(side: Side) -> None:
    with bank_without_inbox(side, one).running(side.settings):
        reply, body = side.reply_to(side.command(REFUND))
    assert (reply.outcome, reply.retryable) == ("failed", False)
    assert isinstance(body, list)
    assert body[0] == "UnknownCommand"
    assert f"expected one of {side.bank}.Withdraw, got {side.bank}.Refund" in str(body[1])


def test_a_record_that_is_no_command_does_not_block_its_partition(side: Side) -> None:
    good = side.command(WITHDRAW)
    for_nobody = replace(good, headers=tuple(header for header in good.headers if header[0] != "ce_replyto"))
    other_namespace = replace(
        good, headers=tuple(("ce_source", b"/no-such/0") if h[0] == "ce_source" else h for h in good.headers)
    )
    with bank_without_inbox(side, one).running(side.settings):
        side.send(replace(good, headers=(), value=None), for_nobody, other_namespace, good)
        (reply,) = side.next_replies(1)
    assert reply.outcome == "completed"
    assert side.committed() == side.ends()


def test_what_cannot_be_read_is_parked_and_does_not_block_its_partition(side: Side, bank_name: str) -> None:
    bank = Participant(bank_name, unreadable="park")
    bank.handles(Withdraw)(one)
    with pytest.raises(TopicMismatch, match=f"{bank_name}.parked .*--create-topics.*unreadable='park'"):
        bank.start(side.settings)
    side.broker.create([parking_topic(bank_name)])
    good = side.command(WITHDRAW)
    broken = replace(good, value=b"x" * 1_000_000)
    with bank.running(side.settings):
        side.send(broken, replace(good, headers=(), value=None), good)
        (reply,) = side.next_replies(1)
    assert reply.outcome == "completed"
    assert side.committed() == side.ends()
    parked: list[IncomingRecord] = []

    def both(record: IncomingRecord) -> bool:
        parked.append(record)
        return len(parked) == 2

    side.broker.last(f"{bank_name}.parked", 0, both)
    assert sorted((len(record.value or b""), dict(record.headers)["quarantine_reason"]) for record in parked) == [
        (0, b"missing_header"),
        (1_000_000, b"undecodable"),
    ]
    assert side.all_records() == []


def test_a_reply_topic_that_does_not_exist_does_not_block_the_partition(side: Side) -> None:
    good = side.command(WITHDRAW)
    lost = replace(good, headers=tuple(("ce_replyto", b"no.such") if h[0] == "ce_replyto" else h for h in good.headers))
    illegal = replace(
        good, headers=tuple(("ce_replyto", b"no topic!") if h[0] == "ce_replyto" else h for h in good.headers)
    )
    off = replace(
        good, headers=tuple(("ce_replypartition", b"77") if h[0] == "ce_replypartition" else h for h in good.headers)
    )
    with bank_without_inbox(side, one).running(side.settings):
        side.send(lost, illegal, off, good)
        side.next_replies(1)
    assert side.committed() == side.ends()


def test_a_reply_that_is_larger_than_its_topic_allows_is_unknown(side: Side, bank_name: str) -> None:
    bank = Participant(bank_name)
    bank.handles(Statement)(lambda command, _: b"x" * command.size)
    with bank.running(side.settings):
        reply, body = side.reply_to(side.command(Statement(size=2_000_000)))
        small, _ = side.reply_to(side.command(Statement(size=2)))
    assert (reply.outcome, reply.retryable, reply.no_effect) == ("failed", False, False)
    assert isinstance(body, list)
    assert body[0] == "ReplyTooLarge"
    assert small.outcome == "completed"
    assert side.committed() == side.ends()


def test_a_command_of_another_version_is_read_with_the_schema_that_wrote_it(side: Side) -> None:
    younger = avro_schema(Younger, side.bank)
    assert isinstance(younger, dict)
    younger["name"] = f"{side.bank}.Withdraw"
    record = side.command(Younger(account="a", amount=Decimal(3), reference="r"), schema=younger)
    headers = tuple(("ce_type", f"{side.bank}.Withdraw".encode()) if h[0] == "ce_type" else h for h in record.headers)
    with bank_without_inbox(side, lambda command, _: Receipt(balance=command.amount)).running(side.settings):
        unknown, body = side.reply_to(replace(record, headers=headers))
        side.send(schema_record(side.topics, younger))
        known, balance = side.reply_to(replace(record, headers=headers))
    assert unknown.outcome == "failed"
    assert "schema that was published" in str(body)
    assert (known.outcome, balance) == ("completed", {"balance": Decimal("3.000000000"), "note": ""})
