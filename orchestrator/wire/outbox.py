"""The outbox: all Kafka records of a batch, as Postgres holds them and as the chain hashes them.

The bytes are Avro single-object encoding of an array of ``schemas/outbox_record.avsc``, written by hand because every
record of every batch passes here; tests hold it equal to the general codec. One record's part, its *frame*, is
unambiguous and the same for a record that is about to be sent and for the one that was read back from Kafka.
"""

from typing import Final, Protocol, cast

from orchestrator.blueprint.values import Data
from orchestrator.errors import JournalCorrupt, MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.record import Headers, OutgoingRecord
from orchestrator.wire.schemas import own_schema
from orchestrator.wire.shape import write_long

OUTBOX: Final = codec_for({"type": "array", "items": own_schema("outbox_record")})


class Record(Protocol):
    """A record, to be sent or read: ``OutgoingRecord`` and ``IncomingRecord`` both are."""

    @property
    def topic(self) -> str:
        """Its topic."""
        ...

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def headers(self) -> Headers:
        """Its headers, in order."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value; None is a tombstone."""
        ...


class _Varints(dict[int, bytes]):
    """Numbers as varints, small ones made once: nearly all are lengths."""

    def __missing__(self, value: int) -> bytes:
        out = bytearray()
        write_long(value, out)
        made = bytes(out)
        if value < _VARINTS_MAX:
            self[value] = made
        return made


class _Names(dict[str, bytes]):
    """Names of topics, headers, events as Avro strings, made once; bounded, for a foreign record's may be anything."""

    def __missing__(self, name: str) -> bytes:
        encoded = name.encode()
        made = VARINTS[len(encoded)] + encoded
        if len(self) < _NAMES_MAX:
            self[name] = made
        return made


_VARINTS_MAX: Final = 4_096
_NAMES_MAX: Final = 1_024
VARINTS: Final = _Varints()
NAMES: Final = _Names()
_NULL: Final = b"\x00"
_PRESENT: Final = b"\x02"
_END: Final = b"\x00"


def encode_record(record: Record) -> bytes:
    """The frame of one record."""
    lengths, names = VARINTS, NAMES
    parts = [names[record.topic], lengths[record.partition]]
    key, headers, value = record.key, record.headers, record.value
    parts += (_NULL,) if key is None else (_PRESENT, lengths[len(key)], key)
    if headers:
        parts.append(lengths[len(headers)])
        for name, header in headers:
            parts += (names[name], lengths[len(header)], header)
    parts.append(_END)
    parts += (_NULL,) if value is None else (_PRESENT, lengths[len(value)], value)
    return b"".join(parts)


def join_frames(frames: list[bytes]) -> bytes:
    """The outbox row of records whose frames are at hand."""
    if not frames:
        return OUTBOX.prefix + _END
    return b"".join((OUTBOX.prefix, VARINTS[len(frames)], *frames, _END))


def decode_records(row: bytes) -> list[OutgoingRecord]:
    """The records of an outbox row, in order. Raises ``JournalCorrupt``: Postgres holds what no shard wrote."""
    try:
        items = cast("list[dict[str, Data]]", OUTBOX.decode(row))
    except MessageRejected as error:
        raise JournalCorrupt(f"{error}, in a row of the outbox: restore the database, or recover it") from error
    return [_record_of(item) for item in items]


def _record_of(item: dict[str, Data]) -> OutgoingRecord:
    headers = cast("list[dict[str, Data]]", item["headers"])
    return OutgoingRecord(
        topic=cast("str", item["topic"]),
        partition=cast("int", item["partition"]),
        key=cast("bytes | None", item["key"]),
        headers=tuple((cast("str", header["name"]), cast("bytes", header["value"])) for header in headers),
        value=cast("bytes | None", item["value"]),
    )
