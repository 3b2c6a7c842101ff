"""The quarantine: everything is kept, and nothing grows beyond what Kafka takes."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.blueprint.model import Message
from orchestrator.wire import quarantine
from orchestrator.wire.quarantine import (
    HEADERS_MAX,
    KEPT_BYTES_MAX,
    UNSENT_VALUE_BYTES_MAX,
    Quarantined,
    Settlement,
    original_of,
    parse_quarantined,
    parse_settlement,
    quarantine_record,
    settlement_record,
    unsent_record,
)
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.page import Page, codes
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


# ---------------------------------------------------------------- what becomes of it


def put_away(record: IncomingRecord, reason: str = "undecodable") -> IncomingRecord:
    """``record`` as it is read from the quarantine."""
    kept = quarantine_record(TOPICS, 1, record, reason, "t")
    return IncomingRecord(kept.topic, kept.partition, 7, 12_000, kept.key, kept.headers, kept.value)


HEADERS: Headers = (
    ("ce_id", b"x"),
    ("ce_id", b"\xff"),
    ("original_a", b"b"),
    ("quarantine_reason", b"mine"),
    ("", b""),
)


@pytest.mark.parametrize(("key", "value"), [(b"key", b"\x00value"), (b"", b""), (None, None)])
def test_what_is_redriven_is_what_was_put_away(key: bytes | None, value: bytes | None) -> None:
    record = incoming(HEADERS, value, key)
    assert original_of(put_away(record), TOPICS, 4) == OutgoingRecord("ns.replies", 3, key, HEADERS, value)


def test_what_was_forwarded_already_may_be_forwarded_once_more() -> None:
    again = original_of(put_away(incoming((("ce_forwardedfrom", b"ns.replies/1/2"), ("ce_id", b"x")))), TOPICS, 4)
    assert again == OutgoingRecord("ns.replies", 3, None, (("ce_id", b"x"),), None)


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"quarantine_source": b"ns.journal/0/5"}, "ns.requests or ns.replies, got the place 'ns.journal/0/5'"),
        ({"quarantine_source": b"ns.replies/4/5"}, "got the place 'ns.replies/4/5'"),
        ({"quarantine_source": b"ns.replies/-1/5"}, "got the place 'ns.replies/-1/5'"),
        ({"quarantine_source": b"ns.replies/" + b"1" * 5_000}, "got the place"),
        ({"quarantine_source": b"ns.replies"}, "got the place 'ns.replies'"),
        ({"quarantine_source": b"\xff"}, "got the place"),
        ({"quarantine_headers_left_out": b"3"}, "only its beginning is kept"),
        ({"quarantine_value_bytes": b"3000000"}, "only its beginning is kept"),
    ],
)
def test_what_nobody_can_redrive_is_not_sent_somewhere_else(change: dict[str, bytes], obstacle: str) -> None:
    kept = put_away(incoming((("ce_id", b"x"),), b"v"))
    headers = tuple((dict(kept.headers) | change).items())
    assert obstacle in str(original_of(replace(kept, headers=headers), TOPICS, 4))


def test_a_record_that_was_cut_is_not_redriven() -> None:
    for record in (
        incoming((("a", b""),) * 101),
        incoming((), b"x" * (KEPT_BYTES_MAX + 1)),
        incoming((), None, b"x" * (KEPT_BYTES_MAX + 1)),
    ):
        assert "only its beginning is kept" in str(original_of(put_away(record), TOPICS, 4))
    whole = incoming((("a", b""),) * 100, b"x" * (KEPT_BYTES_MAX - 100))
    assert isinstance(original_of(put_away(whole), TOPICS, 4), OutgoingRecord)


def test_a_command_that_was_never_sent_is_not_redriven() -> None:
    unsent = unsent_record(TOPICS, 3, Unsent(body="x"), "expected a topic")
    kept = IncomingRecord(unsent.topic, 3, 0, 0, unsent.key, unsent.headers, unsent.value)
    assert "never sent" in str(original_of(kept, TOPICS, 4))
    found = parse_quarantined(kept)
    assert (found.reason, found.source, found.topic) == ("undeliverable", None, None)
    assert (found.saga_id, found.id, found.type) == (SAGA_ID, f"{SAGA_ID}/withdraw/0/do", "bank.Withdraw")


def test_what_a_quarantined_record_says() -> None:
    record = incoming((("ce_id", b"r1"), ("ce_commandid", b"s/a/0/do"), ("ce_subject", b"s"), ("ce_type", b"a.B")))
    assert parse_quarantined(put_away(record)) == Quarantined(
        partition=1,
        offset=7,
        at_ms=12_000,
        reason="undecodable",
        text="t",
        source="ns.replies/3/42",
        type="a.B",
        id="s/a/0/do",
        saga_id="s",
    )
    assert parse_quarantined(put_away(incoming((), None, b"s"))).saga_id == "s"


def test_golden_settlement() -> None:
    kept = put_away(incoming((("ce_id", b"x"),), b"v"))
    settled = settlement_record(kept, "redriven", "alice@desk")
    assert settled == OutgoingRecord(
        topic="ns.quarantine",
        partition=1,
        key=b"ns.replies/3/42",
        headers=(
            ("quarantine_settles", b"7"),
            ("quarantine_settled", b"redriven"),
            ("quarantine_by", b"alice@desk"),
        ),
        value=None,
    )
    read = IncomingRecord(settled.topic, 1, 9, 13_000, settled.key, settled.headers, None)
    assert parse_settlement(read) == Settlement(7, "redriven", "alice@desk", 13_000)
    assert parse_settlement(kept) is None


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["quarantine_source", "quarantine_settles", "quarantine_settled", "quarantine_key", "original_ce_id"]
            ),
            st.one_of(st.binary(max_size=20), st.sampled_from([b"7", b"redriven", b"ns.replies/1/1", b"9" * 5_000])),
        ),
        max_size=6,
    )
)
def test_whatever_is_written_there_is_read(headers: list[tuple[str, bytes]]) -> None:
    record = IncomingRecord("ns.quarantine", 0, 1, 0, None, tuple(headers), None)
    assert parse_quarantined(record).place == "0/1"
    settlement = parse_settlement(record)
    assert settlement is None or settlement.manner == "redriven"
    original = original_of(record, TOPICS, 4)
    assert isinstance(original, str) or (original.topic, original.partition) == ("ns.replies", 1)


def test_the_page_has_every_header() -> None:
    told = {name for row in Page("schemas/README.md").table("| header | what it says |") for name in codes(row[0])}
    constants = {value for name, value in vars(quarantine).items() if name.isupper() and isinstance(value, str)}
    assert told == {name for name in constants if name.startswith("quarantine_")} | {f"{quarantine.ORIGINAL}*"}
