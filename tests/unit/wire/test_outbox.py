"""The outbox's bytes: written by hand, and equal to what the general codec and fastavro write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.blueprint.values import Data
from orchestrator.errors import JournalCorrupt
from orchestrator.wire.outbox import OUTBOX, decode_records, encode_record, join_frames
from orchestrator.wire.record import OutgoingRecord
from tests.unit.wire.samples import outbox_row, outgoing_records, received

RECORD = OutgoingRecord("bank.commands", 5, b"k", (("ce_id", b"x/1"), ("empty", b"")), b"\xc3\x01")
TOMBSTONE = OutgoingRecord("ns.journal", 0, None, (), None)


def test_golden_row() -> None:
    assert outbox_row(RECORD, TOMBSTONE) == (
        OUTBOX.prefix
        + b"\x04"
        + b"\x1abank.commands\x0a\x02\x02k\x04\x0ace_id\x06x/1\x0aempty\x00\x00\x02\x04\xc3\x01"
        + b"\x14ns.journal\x00\x00\x00\x00"
        + b"\x00"
    )


def data_of(record: OutgoingRecord) -> Data:
    headers: list[Data] = [{"name": name, "value": value} for name, value in record.headers]
    return {
        "topic": record.topic,
        "partition": record.partition,
        "key": record.key,
        "headers": headers,
        "value": record.value,
    }


@given(st.lists(outgoing_records, max_size=5))
def test_the_hand_written_bytes_are_those_of_the_schema(records: list[OutgoingRecord]) -> None:
    row = outbox_row(*records)
    assert row == OUTBOX.encode([data_of(record) for record in records])
    assert decode_records(row) == records


@pytest.mark.parametrize("size", [0, 63, 64, 4_095, 4_096, 70_000, 3_000_000])
def test_values_of_every_size_come_back(size: int) -> None:
    record = OutgoingRecord("t", 2**31 - 1, b"k" * size, (("h", b"v" * size),), b"x" * size)
    assert decode_records(outbox_row(record)) == [record]


def test_as_many_foreign_header_names_as_there_may_be_come_back() -> None:
    record = OutgoingRecord("t", 0, None, tuple((f"foreign-{number}", b"") for number in range(2_000)), b"")
    assert decode_records(outbox_row(record)) == [record]


def test_a_record_read_back_has_the_frame_it_was_sent_with() -> None:
    assert encode_record(received(RECORD)) == encode_record(RECORD)


def test_a_batch_without_records_is_an_empty_array() -> None:
    assert join_frames([]) == OUTBOX.encode([])


@pytest.mark.parametrize("row", [b"", OUTBOX.prefix, OUTBOX.prefix + b"\x02", outbox_row(RECORD)[:-1]])
def test_a_row_that_no_shard_wrote_is_the_operators(row: bytes) -> None:
    with pytest.raises(JournalCorrupt, match="in a row of the outbox: restore the database, or recover it"):
        decode_records(row)
