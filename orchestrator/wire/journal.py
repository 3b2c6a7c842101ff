"""The journal: an entry for all that one input did to one saga, and a footer that ends each Kafka transaction.

Entries of format 2 are about the shard, and not about one saga: which sagas' rows were trimmed. They are records like
all entries, chained, counted by footers and relayed in the same way, so that code which only passes them on needs to
know nothing of them; who reads one and does not know its format refuses the shard.

An entry is one record however many events it holds: records are what costs, about 15 us each in the broker and as much
again in the orchestrator, and a transfer has six events of three inputs. Keys and headers are kept minimal: an entry's
only header is its ``ce_type``, by which it is told from everything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from orchestrator.blueprint import values
from orchestrator.blueprint.frozen import frozen
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.headers import TYPE
from orchestrator.wire.outbox import NAMES, VARINTS, Record
from orchestrator.wire.record import Headers, OutgoingRecord
from orchestrator.wire.schemas import own_schema
from orchestrator.wire.shape import Mismatch, Source
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.blueprint.values import Data

ENTRY: Final = codec_for(own_schema("entry"))
FOOTER: Final = codec_for(own_schema("footer"))

ENTRY_FORMAT: Final = 1
"""Of what happened to one saga."""
SHARD_ENTRY_FORMAT: Final = 2
"""Of what happened to the shard."""
FOOTER_FORMAT: Final = 1

_ENTRY_HEADERS: Final[Headers] = ((TYPE, b"saga.entry"),)
_FOOTER_HEADERS: Final[Headers] = ((TYPE, b"saga.footer"),)
_FOOTER_KEY: Final = b"footer"

DIGEST_BYTES: Final = 32

Cause: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset of the input that events follow from."""


@frozen
class JournalEntry:
    """What one input did to one saga, as the journal holds it."""

    seq: int
    """The batch in the shard's chain."""
    saga_id: str
    number: int
    """Of the first event; counts from 1 in the saga."""
    events: tuple[tuple[str, str], ...]
    """Type, and data as canonical JSON; at least one, in order."""
    cause: Cause | None
    """None: a timer."""


@frozen
class SagasTrimmed:
    """Closed sagas whose rows left the database with this batch; what happened to them stays in the journal."""

    seq: int
    """The batch in the shard's chain."""
    saga_ids: tuple[str, ...]
    """At least one."""


Entry: TypeAlias = JournalEntry | SagasTrimmed
"""What a record of the journal that is no footer says."""


def trimmed_record(topics: Topics, shard: int, trimmed: SagasTrimmed) -> OutgoingRecord:
    """The record of ``trimmed``: of no saga, so without a key."""
    value = ENTRY.encode(
        {
            "format": SHARD_ENTRY_FORMAT,
            "seq": trimmed.seq,
            "saga_id": "",
            "number": 0,
            "events": [{"type": _TRIMMED, "data": values.dumps({"saga_ids": list(trimmed.saga_ids)})}],
            "topic": None,
            "partition": None,
            "offset": None,
        }
    )
    return OutgoingRecord(topics.journal, shard, None, _ENTRY_HEADERS, value)


_TRIMMED: Final = "SagasTrimmed"


def entry_record(topics: Topics, shard: int, entry: JournalEntry) -> OutgoingRecord:
    """The record of ``entry``; written by hand, for every event passes here. Tests hold it equal to the codec."""
    varints = VARINTS
    saga_id = entry.saga_id.encode()
    parts = [_ENTRY_START, varints[entry.seq], varints[len(saga_id)], saga_id]
    parts += (varints[entry.number], varints[len(entry.events)])
    for kind, text in entry.events:
        data = text.encode()
        parts += (NAMES[kind], varints[len(data)], data)
    if entry.cause is None:
        parts.append(_END_AND_NO_CAUSE)
    else:
        topic, partition, offset = entry.cause
        parts += (_END_AND_PRESENT, NAMES[topic], _PRESENT, varints[partition], _PRESENT, varints[offset])
    return OutgoingRecord(topics.journal, shard, saga_id, _ENTRY_HEADERS, b"".join(parts))


_ENTRY_START: Final = ENTRY.prefix + VARINTS[ENTRY_FORMAT]
_PRESENT: Final = b"\x02"
_END_AND_PRESENT: Final = b"\x00\x02"
"""The end of the events, and that there is a topic."""
_END_AND_NO_CAUSE: Final = b"\x00\x00\x00\x00"


def is_entry(record: Record) -> bool:
    """Whether a relay's record is an entry: no other, forwarded and quarantined ones included, has just this header."""
    return record.headers == _ENTRY_HEADERS


def parse_entry(value: bytes | None) -> Entry:
    """The entry in a journal record's value. Raises ``MessageRejected``; in a journal that is corruption."""
    found = _read_as_written(value) if value is not None and value.startswith(_ENTRY_START) else None
    return _read_by_schema(value) if found is None else found


def _read_as_written(value: bytes) -> JournalEntry | None:
    """By hand, for a recovery reads every entry there ever was: a third of the time. None: not as we write it."""
    source = Source(value, len(_ENTRY_START))
    long, block = source.long, source.block
    try:
        seq, saga_id, number, count = long(), block().decode(), long(), long()
        events = tuple([(block().decode(), block().decode()) for _ in range(count)])
        end, branch = long(), long()
        cause = None
        if branch == 1:
            topic, partition, offset = block().decode(), (long(), long()), (long(), long())
            cause = topic, partition[1], offset[1]
            branches = partition[0], offset[0]
        else:
            branches = long(), long()
    except (Mismatch, UnicodeDecodeError):
        return None
    if not events or end != 0 or branches != (branch, branch) or branch not in (0, 1) or source.at != len(value):
        return None
    return JournalEntry(seq, saga_id, number, events, cause)


def _read_by_schema(value: bytes | None) -> Entry:
    data = cast("dict[str, Data]", ENTRY.decode(value or b""))
    if data["format"] == SHARD_ENTRY_FORMAT:
        return _read_trimmed(data)
    if data["format"] != ENTRY_FORMAT:
        raise MessageRejected(
            "unknown_format",
            f"expected format {ENTRY_FORMAT} or {SHARD_ENTRY_FORMAT}, got {data['format']}, in an entry",
        )
    place = data["topic"], data["partition"], data["offset"]
    if None in place and place != (None, None, None):
        raise MessageRejected("undecodable", f"expected topic, partition and offset, or none, got {place}, in an entry")
    events = cast("list[dict[str, str]]", data["events"])
    if not events:
        raise MessageRejected("undecodable", "expected an event, got none, in an entry")
    return JournalEntry(
        seq=cast("int", data["seq"]),
        saga_id=cast("str", data["saga_id"]),
        number=cast("int", data["number"]),
        events=tuple((event["type"], event["data"]) for event in events),
        cause=None if place[0] is None else cast("Cause", place),
    )


def _read_trimmed(data: Mapping[str, "Data"]) -> SagasTrimmed:
    match data:
        case {
            "saga_id": "",
            "number": 0,
            "events": [{"type": "SagasTrimmed", "data": str() as text}],
            "topic": None,
            "partition": None,
            "offset": None,
        }:
            saga_ids = _trimmed_ids(text)
        case _:
            saga_ids = ()
    if not saga_ids:
        raise MessageRejected(
            "undecodable", f"expected {_TRIMMED} with ids, and nothing else, in an entry of format {SHARD_ENTRY_FORMAT}"
        )
    return SagasTrimmed(cast("int", data["seq"]), saga_ids)


def _trimmed_ids(text: str) -> tuple[str, ...]:
    """None of them when ``text`` is not what ``trimmed_record`` writes."""
    try:
        found = values.loads(text)
    except (ValueError, RecursionError):
        return ()
    saga_ids = found.get("saga_ids") if isinstance(found, dict) else None
    if not isinstance(saga_ids, list) or not all(isinstance(each, str) for each in saga_ids):
        return ()
    return tuple(cast("list[str]", saga_ids))


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
    entries: int
    """How many of the batch's entries stand before the footer: a reader counts records, and need not read them."""


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
    batches = tuple(FooterBatch(**batch) for batch in cast("list[dict[str, Any]]", data["batches"]))
    if not batches:
        raise MessageRejected("undecodable", "expected a batch, got none, in a footer")
    for batch in batches:
        if len(batch.chain) != DIGEST_BYTES or len(batch.body) != DIGEST_BYTES:
            raise MessageRejected(
                "undecodable", f"expected digests of {DIGEST_BYTES} bytes, in batch {batch.seq} of a footer"
            )
    return Footer(batches, cast("dict[str, str]", data["topic_ids"]))
