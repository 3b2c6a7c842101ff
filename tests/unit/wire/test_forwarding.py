"""Records on the wrong partition."""

from orchestrator.wire.forwarding import forwarded_record, was_forwarded
from orchestrator.wire.record import OutgoingRecord
from tests.unit.wire.samples import incoming, received


def test_a_forwarded_record_is_the_same_event_and_says_where_it_came_from() -> None:
    record = incoming((("ce_id", b"x"), ("other", b"\xff")), b"value", b"key")
    forwarded = forwarded_record(record, 9)
    assert forwarded == OutgoingRecord(
        "ns.replies",
        9,
        b"key",
        (("ce_forwardedfrom", b"ns.replies/3/42"), ("ce_id", b"x"), ("other", b"\xff")),
        b"value",
    )
    assert [was_forwarded(record), was_forwarded(received(forwarded))] == [False, True]


def test_whoever_wrote_it_a_record_that_says_so_was_forwarded() -> None:
    assert was_forwarded(incoming((("ce_forwardedfrom", b""),)))
