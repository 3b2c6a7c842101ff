"""Records of the definitions topic."""

import pytest

from orchestrator.errors import MessageRejected
from orchestrator.wire.definitions import Activated, Published, activate_record, parse_definition, publish_record
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import incoming, received

TOPICS = Topics("ns")
HASH = "ab" * 32


def test_golden_records() -> None:
    assert publish_record(TOPICS, Published("money_transfer", HASH, "{}")) == OutgoingRecord(
        "ns.definitions", 0, f"money_transfer/{HASH}".encode(), (("content-type", b"application/json"),), b"{}"
    )
    assert activate_record(TOPICS, Activated("money_transfer", HASH)) == OutgoingRecord(
        "ns.definitions", 0, b"money_transfer", (("content-type", b"text/plain"),), HASH.encode()
    )


def test_what_is_written_is_read_back() -> None:
    published, activated = Published("überweisung", HASH, '{"x":1}'), Activated("überweisung", HASH)
    assert parse_definition(received(publish_record(TOPICS, published))) == published
    assert parse_definition(received(activate_record(TOPICS, activated))) == activated


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"x"),
        (b"", HASH.encode()),
        (b"money_transfer", None),
        (b"money_transfer", b"xyz"),
        (b"money_transfer/abc", b"{}"),
        (b"money_transfer/" + HASH.encode() + b"/x", b"{}"),
        (b"a~b", HASH.encode()),
        (b"money_transfer/" + HASH.encode(), None),
        (b"\xff", HASH.encode()),
        (b"money_transfer", b"\xff"),
    ],
)
def test_anything_else_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises(MessageRejected, match="expected .*, in ns.replies/3/42") as raised:
        parse_definition(incoming((), value, key))
    assert raised.value.reason == "undecodable"
