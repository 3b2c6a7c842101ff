"""The quarantine: everything is kept, and nothing grows beyond what Kafka takes."""

from dataclasses import dataclass
from decimal import Decimal

from orchestrator.blueprint.model import Message
from orchestrator.wire.quarantine import HEADERS_MAX, UNSENT_VALUE_BYTES_MAX, quarantine_record, unsent_record
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import SAGA_ID, SentCommand, incoming

TOPICS = Topics("ns")


def test_golden_record() -> None:
    record = incoming((("ce_id", b"x"), ("ce_id", b"\xff"), ("", b"")), b"\x00value", b"key")
    assert quarantine_record(TOPICS, 5, record, "undecodable", "expected “x”") == OutgoingRecord(
        topic="ns.quarantine",
        partition=5,
        key=b"ns.replies/3/42",
        headers=(
            ("quarantine_reason", b"undecodable"),
            ("quarantine_text", "expected “x”".encode()),
            ("quarantine_source", b"ns.replies/3/42"),
            ("quarantine_key", b"key"),
            ("original_ce_id", b"x"),
            ("original_ce_id", b"\xff"),
            ("original_", b""),
        ),
        value=b"\x00value",
    )


def test_a_record_without_key_and_value_is_kept_as_it_is() -> None:
    kept = quarantine_record(TOPICS, 5, incoming(()), "r", "t")
    assert kept.value is None
    assert [name for name, _ in kept.headers] == ["quarantine_reason", "quarantine_text", "quarantine_source"]


def test_a_record_of_headers_alone_does_not_become_several_times_as_large() -> None:
    kept = quarantine_record(TOPICS, 5, incoming((("a", b""),) * 100_000), "r", "t" * 100_000 + "\ud800")
    assert len(kept.headers) == 3 + HEADERS_MAX + 1
    assert kept.headers[-1] == ("quarantine_headers_left_out", b"99900")
    assert len(dict(kept.headers)["quarantine_text"]) == 4_000


WITHDRAW = Message(type="bank.Withdraw", participant="bank", schema="x", body={}, key=None, reply=None, rejections={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent(SentCommand):
    message: Message = WITHDRAW


def test_golden_unsent_command() -> None:
    command = Unsent(body={"amount": Decimal("12.34"), "account": "A-1"})
    assert unsent_record(TOPICS, 3, command, "expected a topic") == OutgoingRecord(
        topic="ns.quarantine",
        partition=3,
        key=f"{SAGA_ID}/withdraw/0/do".encode(),
        headers=(
            ("quarantine_reason", b"undeliverable"),
            ("quarantine_text", b"expected a topic"),
            ("original_ce_id", f"{SAGA_ID}/withdraw/0/do".encode()),
            ("original_ce_type", b"bank.Withdraw"),
            ("original_ce_subject", SAGA_ID.encode()),
        ),
        value=b'{"account":"A-1","amount":{"$decimal":"12.34"}}',
    )


def test_a_command_larger_than_any_topic_allows_is_cut() -> None:
    kept = unsent_record(TOPICS, 3, Unsent(body="x" * 10_000_000), "too large")
    assert kept.headers[-1] == ("quarantine_value_bytes", b"10000002")
    assert kept.value == b'"' + b"x" * (UNSENT_VALUE_BYTES_MAX - 1)


def test_a_command_whose_body_is_no_data_is_put_away_all_the_same() -> None:
    for body in (Decimal("NaN"), "\ud800"):
        kept = unsent_record(TOPICS, 3, Unsent(body=body), "the body does not fit")
        assert (kept.value or b"").startswith(b"a body that cannot be shown: ")
