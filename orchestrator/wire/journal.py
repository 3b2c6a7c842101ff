"""The journal: an event record for every event of every saga, and a footer that ends each Kafka transaction.

Keys and headers are kept minimal: an event's only header is its ``ce_type``, by which it is told from everything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.headers import TYPE
from orchestrator.wire.outbox import Record
from orchestrator.wire.record import Headers, OutgoingRecord
from orchestrator.wire.schemas import own_schema
from orchestrator.wire.shape import write_block, write_long
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.blueprint.values import Data

EVENT: Final = codec_for(own_schema("event"))
FOOTER: Final = codec_for(own_schema("footer"))

EVENT_FORMAT: Final = 1
FOOTER_FORMAT: Final = 1

_EVENT_HEADERS: Final[Headers] = ((TYPE, b"saga.event"),)
_FOOTER_HEADERS: Final[Headers] = ((TYPE, b"saga.footer"),)
_FOOTER_KEY: Final = b"footer"

DIGEST_BYTES: Final = 32

Cause: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset of the input that an event follows from."""


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One event of one saga as the journal holds it."""

    seq: int
    """The batch in the shard's chain."""
    number: int
    """Counts from 1 in the saga."""
    saga_id: str
    type: str
    data: str
    """Canonical JSON."""
    cause: Cause | None
    """None: a timer."""


def event_record(topics: Topics, shard: int, event: JournalEvent) -> OutgoingRecord:
    """The record of ``event``; written by hand, for every event passes here. Tests hold it equal to the codec."""
    saga_id = event.saga_id.encode()
    out = bytearray(_EVENT_START)
    write_long(event.seq, out)
    write_long(event.number, out)
    write_block(saga_id, out)
    write_block(event.type.encode(), out)
    write_block(event.data.encode(), out)
    if event.cause is None:
        out += b"\x00\x00\x00"
    else:
        topic, partition, offset = event.cause
        out.append(2)
        write_block(topic.encode(), out)
        out.append(2)
        write_long(partition, out)
        out.append(2)
        write_long(offset, out)
    return OutgoingRecord(topics.journal, shard, saga_id, _EVENT_HEADERS, bytes(out))


def _event_start() -> bytes:
    out = bytearray(EVENT.prefix)
    write_long(EVENT_FORMAT, out)
    return bytes(out)


_EVENT_START: Final = _event_start()


def is_event(record: Record) -> bool:
    """Whether a relay's record is an event: no other, forwarded and quarantined ones included, has just this header."""
    return record.headers == _EVENT_HEADERS


def parse_event(value: bytes | None) -> JournalEvent:
    """The event in a journal record's value. Raises ``MessageRejected``; in a journal that is corruption."""
    data = cast("dict[str, Data]", EVENT.decode(value or b""))
    if data["format"] != EVENT_FORMAT:
        raise MessageRejected("unknown_format", f"expected format {EVENT_FORMAT}, got {data['format']}, in an event")
    place = data["topic"], data["partition"], data["offset"]
    if None in place and place != (None, None, None):
        raise MessageRejected("undecodable", f"expected topic, partition and offset, or none, got {place}, in an event")
    return JournalEvent(
        seq=cast("int", data["seq"]),
        number=cast("int", data["number"]),
        saga_id=cast("str", data["saga_id"]),
        type=cast("str", data["type"]),
        data=cast("str", data["data"]),
        cause=None if place[0] is None else cast("Cause", place),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FooterBatch:
    """One batch as its footer proves it."""

    seq: int
    chain: bytes
    body: bytes
    """sha256 of the batch's records that are not in the journal, see ``chain``."""
    owner: str
    next_requests: int
    next_replies: int
    now_ms: int
    events: int
    """How many events of the batch stand before the footer."""


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a relay's transaction: its position, the proof of the chain, and the topics as it knew them."""

    batches: tuple[FooterBatch, ...]
    """At least one, in the order of the chain."""
    topic_ids: Mapping[str, str]


def footer_record(
    topics: Topics, shard: int, batches: Sequence[FooterBatch], topic_ids: Mapping[str, str]
) -> OutgoingRecord:
    """The footer of a transaction that holds ``batches``, in order. Equal footers have equal bytes."""
    value = FOOTER.encode(
        {
            "format": FOOTER_FORMAT,
            "batches": [{name: getattr(batch, name) for name in _BATCH_FIELDS} for batch in batches],
            "topic_ids": dict(sorted(topic_ids.items())),
        }
    )
    return OutgoingRecord(topics.journal, shard, _FOOTER_KEY, _FOOTER_HEADERS, value)


_BATCH_FIELDS: Final = tuple(FooterBatch.__dataclass_fields__)


def is_footer(record: Record) -> bool:
    """Whether a record of the journal is a footer."""
    return record.headers == _FOOTER_HEADERS and record.key == _FOOTER_KEY


def parse_footer(value: bytes | None) -> Footer:
    """The footer in a journal record's value. Raises ``MessageRejected``; in a journal that is corruption."""
    data = cast("dict[str, Data]", FOOTER.decode(value or b""))
    if data["format"] != FOOTER_FORMAT:
        raise MessageRejected("unknown_format", f"expected format {FOOTER_FORMAT}, got {data['format']}, in a footer")
    batches = tuple(FooterBatch(**batch) for batch in cast("list[dict[str, int]]", data["batches"]))  # pyright: ignore[reportArgumentType] - the codec has checked each field's type
    if not batches:
        raise MessageRejected("undecodable", "expected a batch, got none, in a footer")
    for batch in batches:
        if len(batch.chain) != DIGEST_BYTES or len(batch.body) != DIGEST_BYTES:
            raise MessageRejected(
                "undecodable", f"expected digests of {DIGEST_BYTES} bytes, in batch {batch.seq} of a footer"
            )
    return Footer(batches, cast("dict[str, str]", data["topic_ids"]))
