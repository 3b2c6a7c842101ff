"""The chain: its golden value, its framing said a second time, and that everything counts."""

from dataclasses import replace
from hashlib import sha256

import pytest

from orchestrator.wire.chain import Link, body_digest, chain, seal
from orchestrator.wire.journal import JournalEntry, entry_record, is_entry
from orchestrator.wire.outbox import encode_record
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import outbox_row, received

TOPICS = Topics("ns")
LINK = Link(seq=12, owner="0f8fad5b-d9cb-469f-a165-70867728950e", next_requests=4, next_replies=5, now_ms=6)
FIRST = entry_record(TOPICS, 3, JournalEntry(12, "t-1", 1, (("SagaStarted", "{}"),), ("ns.requests", 3, 3)))
SECOND = entry_record(TOPICS, 3, JournalEntry(12, "t-1", 2, (("AttemptTimedOut", "{}"), ("CommandSent", "{}")), None))
COMMAND = OutgoingRecord("bank.commands", 5, b"t-1", (("ce_id", b"x"),), b"\xc3\x01")
PREVIOUS = bytes(range(32))
RECORDS = [FIRST, COMMAND, SECOND]

GOLDEN_BODY = "1407ee17b8ad05d4433ecf28b69aa7549efed128d0112e0969d3a672976c165c"
GOLDEN_CHAIN = "2bd85da7863d8098e5cc12c7e5c67be0137f0fcf65ac5ebb91b4377ca6fb2294"


def test_golden_chain() -> None:
    sealed = seal(PREVIOUS, LINK, RECORDS)
    assert (sealed.body.hex(), sealed.chain.hex(), sealed.entries) == (GOLDEN_BODY, GOLDEN_CHAIN, 2)


def test_the_framing_is_the_one_that_is_documented() -> None:
    def number(value: int) -> bytes:
        return value.to_bytes(8, "big")

    body = sha256(encode_record(COMMAND)).digest()
    owner = LINK.owner.encode()
    written = (
        b"saga-chain-1\n" + PREVIOUS + body + number(12) + number(4) + number(5) + number(6)
        + number(len(owner)) + owner + number(2) + encode_record(FIRST) + encode_record(SECOND)
    )  # fmt: skip
    sealed = seal(PREVIOUS, LINK, RECORDS)
    assert sealed.body == body
    assert sealed.chain == sha256(written).digest()


def test_a_chain_is_proved_from_what_kafka_gives_back() -> None:
    sealed = seal(PREVIOUS, LINK, RECORDS)
    read = [received(record, offset) for offset, record in enumerate(RECORDS)]
    entries = [record for record in read if is_entry(record)]
    assert body_digest(read) == sealed.body
    assert chain(PREVIOUS, LINK, sealed.body, entries) == sealed.chain
    assert sealed.row == outbox_row(*RECORDS)


def changed(record: OutgoingRecord) -> list[OutgoingRecord]:
    return [
        replace(record, topic="x"),
        replace(record, partition=9),
        replace(record, key=None),
        replace(record, key=b""),
        replace(record, value=None),
        replace(record, value=b""),
    ]


def test_everything_counts() -> None:
    sealed = {
        "as it is": seal(PREVIOUS, LINK, RECORDS).chain,
        "previous": seal(bytes(32), LINK, RECORDS).chain,
        "seq": seal(PREVIOUS, replace(LINK, seq=13), RECORDS).chain,
        "owner": seal(PREVIOUS, replace(LINK, owner="x"), RECORDS).chain,
        "requests": seal(PREVIOUS, replace(LINK, next_requests=5, next_replies=4), RECORDS).chain,
        "replies": seal(PREVIOUS, replace(LINK, next_replies=6), RECORDS).chain,
        "now": seal(PREVIOUS, replace(LINK, now_ms=7), RECORDS).chain,
        "order of entries": seal(PREVIOUS, LINK, [SECOND, COMMAND, FIRST]).chain,
        "an entry less": seal(PREVIOUS, LINK, [FIRST, COMMAND]).chain,
        "no command": seal(PREVIOUS, LINK, [FIRST, SECOND]).chain,
        "nothing": seal(PREVIOUS, LINK, []).chain,
        "a header": seal(PREVIOUS, LINK, [FIRST, replace(COMMAND, headers=(("ce_i", b"dx"),)), SECOND]).chain,
    }
    for number, other in enumerate(changed(COMMAND)):
        sealed[f"command {number}"] = seal(PREVIOUS, LINK, [FIRST, other, SECOND]).chain
    for number, other in enumerate(changed(FIRST)):
        sealed[f"entry {number}"] = seal(PREVIOUS, LINK, [other, COMMAND, SECOND]).chain
    assert len(set(sealed.values())) == len(sealed)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_digest_of_another_length_cannot_be(length: int) -> None:
    with pytest.raises(AssertionError):
        chain(bytes(length), LINK, bytes(32), [])
