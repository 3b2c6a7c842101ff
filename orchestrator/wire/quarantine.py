"""The quarantine: what could not be read or sent, whole, with the reason, so that a person can see it and mend it.

Headers: ``quarantine_reason`` (a word), ``quarantine_text`` (for a person), ``quarantine_source``
(``topic/partition/offset`` of what was read), ``quarantine_key`` (its key), and the record's own headers with
``original_`` before their names. The key is the source. Nothing here is ever larger than the topic allows: a record
that cannot be sent would block its shard for ever.

Nothing is changed or deleted here. What an operator did about a record is another record behind it in the same
partition, a *settlement*: ``quarantine_settles`` (the offset of the record), ``quarantine_settled`` (``redriven`` or
``discarded``), ``quarantine_by`` (who); its timestamp says when, and its key is that of the record. The first counts.
"""

from typing import Final, Literal, Protocol

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.model import Message
from orchestrator.blueprint.values import dumps
from orchestrator.wire.command import Command
from orchestrator.wire.headers import COMMANDID, FORWARDEDFROM, ID, SUBJECT, TYPE, place_of
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

REASON: Final = "quarantine_reason"
TEXT: Final = "quarantine_text"
SOURCE: Final = "quarantine_source"
KEY: Final = "quarantine_key"
HEADERS_LEFT_OUT: Final = "quarantine_headers_left_out"
"""How many of the record's own headers are not here, when they were too many."""
VALUE_BYTES: Final = "quarantine_value_bytes"
"""How long the value was, when only its beginning is here."""
ORIGINAL: Final = "original_"

SETTLES: Final = "quarantine_settles"
SETTLED: Final = "quarantine_settled"
BY: Final = "quarantine_by"
REDRIVEN: Final = "redriven"
DISCARDED: Final = "discarded"
Manner = Literal["redriven", "discarded"]
DIGITS_MAX: Final = 19
"""Of an offset, a signed 64-bit number; Python refuses to read texts of thousands of digits."""

UNDELIVERABLE: Final = "undeliverable"
"""The reason of a command that cannot be sent."""
REASONS: Final = (
    "incompatible_schema",
    "malformed_header",
    "missing_header",
    "refused_by_database",
    "too_large",
    UNDELIVERABLE,
    "undecodable",
    "unknown_command",
    "unknown_saga",
    "unknown_schema",
    "wrong_partition",
    "wrong_type",
)
"""All there are; the runbook explains each."""

TEXT_MAX: Final = 4_000
HEADERS_MAX: Final = 100
"""Each kept header costs its prefix: of a record made of empty headers the copy would be several times as large."""
KEPT_BYTES_MAX: Final = 2_000_000
"""Of a record's key, headers and value: below the least that the topic may allow. A record that its writer compressed
can be many times as large as the topic it came through allows."""
UNSENT_VALUE_BYTES_MAX: Final = 500_000
"""An unsent command may be larger than any topic allows; half of Kafka's default limit shows what it was."""


class UnsentCommand(Command, Protocol):
    """A command that no record was made of; the engine's commands are such."""

    @property
    def message(self) -> Message:
        """Its type and participant."""
        ...


def quarantine_record(topics: Topics, shard: int, record: IncomingRecord, reason: str, text: str) -> OutgoingRecord:
    """Put away ``record``, which could not be used."""
    return put_away(topics.quarantine, shard, record, reason, text)


def put_away(topic: str, partition: int, record: IncomingRecord, reason: str, text: str) -> OutgoingRecord:
    """``record`` whole, with the reason and where it was read, as a record of another topic."""
    source, room = place_of(record).encode(), KEPT_BYTES_MAX
    headers = [*_why(reason, text), (SOURCE, source)]
    if record.key is not None:
        headers.append((KEY, record.key[:room]))
        room -= len(headers[-1][1])
    kept = 0
    for name, value in record.headers[:HEADERS_MAX]:
        size = len(name.encode(errors="replace")) + len(value)
        if size <= room:
            headers.append((f"{ORIGINAL}{name}", value))
            room -= size
            kept += 1
    if kept < len(record.headers):
        headers.append((HEADERS_LEFT_OUT, b"%d" % (len(record.headers) - kept)))
    if record.value is not None and len(record.value) > room:
        headers.append((VALUE_BYTES, b"%d" % len(record.value)))
    value = None if record.value is None else record.value[:room]
    return OutgoingRecord(topic, partition, source, tuple(headers), value)


def unsent_record(topics: Topics, shard: int, command: UnsentCommand, text: str) -> OutgoingRecord:
    """Put away ``command``, which cannot be sent (``text`` says why); its body as the canonical JSON of its data."""
    command_id = command.command_id.encode()
    headers: list[tuple[str, bytes]] = [
        *_why(UNDELIVERABLE, text),
        (f"{ORIGINAL}{ID}", command_id),
        (f"{ORIGINAL}{TYPE}", command.message.type.encode()),
        (f"{ORIGINAL}{SUBJECT}", command.saga_id.encode()),
    ]
    try:
        body = dumps(command.body).encode()
    except (TypeError, ValueError) as error:  # it may be here because its body is no data
        body = f"a body that cannot be shown: {error}".encode(errors="backslashreplace")
    if len(body) > UNSENT_VALUE_BYTES_MAX:
        headers.append((VALUE_BYTES, b"%d" % len(body)))
    return OutgoingRecord(topics.quarantine, shard, command_id, tuple(headers), body[:UNSENT_VALUE_BYTES_MAX])


def _why(reason: str, text: str) -> Headers:
    return (REASON, reason.encode()), (TEXT, text[:TEXT_MAX].encode(errors="backslashreplace"))


# ---------------------------------------------------------------- read


@frozen
class Quarantined:
    """What a record of the quarantine says; written by anybody, so nothing here is sure."""

    partition: int
    offset: int
    at_ms: int
    reason: str
    text: str
    source: str | None
    """``topic/partition/offset`` of what was read; None: a command that was never sent."""
    type: str
    id: str
    """Of the command that is answered, else of the message itself."""
    saga_id: str

    @property
    def place(self) -> str:
        """``partition/offset``: how a person names it."""
        return f"{self.partition}/{self.offset}"

    @property
    def topic(self) -> str | None:
        """The topic that it was read from."""
        return None if self.source is None else self.source.partition("/")[0]


@frozen
class Settlement:
    """What was done about the record at ``offset`` of the same partition."""

    offset: int
    manner: Manner
    by: str
    at_ms: int


def parse_quarantined(record: IncomingRecord) -> Quarantined:
    """What ``record`` says, whoever wrote it; what lacks is empty."""
    found = _texts(record)
    return Quarantined(
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp_ms,
        reason=found.get(REASON, ""),
        text=found.get(TEXT, ""),
        source=found.get(SOURCE),
        type=found.get(f"{ORIGINAL}{TYPE}", ""),
        id=found.get(f"{ORIGINAL}{COMMANDID}") or found.get(f"{ORIGINAL}{ID}", ""),
        saga_id=found.get(f"{ORIGINAL}{SUBJECT}") or found.get(KEY, ""),
    )


def original_of(record: IncomingRecord, topics: Topics, shards: int) -> OutgoingRecord | str:
    """The record that was put away, to where it was read from; or why it cannot be sent there again.

    Key, headers and value are what they were, but for ``ce_forwardedfrom``: it may be forwarded once more.
    """
    found = dict(record.headers)
    source = found.get(SOURCE)
    if source is None:
        return "a command that was never sent: its step was told so, and the saga has gone on without it"
    place = source.decode(errors="replace").split("/")
    if place[0] not in (topics.requests, topics.replies) or not _is_partition(place[1:2], shards):
        return f"expected to go to {topics.requests} or {topics.replies}, got the place {'/'.join(place)!r}"
    key = found.get(KEY)
    if HEADERS_LEFT_OUT in found or VALUE_BYTES in found or (key is not None and len(key) >= KEPT_BYTES_MAX):
        return f"only its beginning is kept, it was larger than {KEPT_BYTES_MAX} bytes or {HEADERS_MAX} headers"
    headers = [(name.removeprefix(ORIGINAL), value) for name, value in record.headers if name.startswith(ORIGINAL)]
    kept = tuple(header for header in headers if header[0] != FORWARDEDFROM)
    return OutgoingRecord(place[0], int(place[1]), key, kept, record.value)


def _is_partition(parts: list[str], shards: int) -> bool:
    return len(parts) == 1 and (number := _whole(parts[0])) is not None and number < shards


def settlement_record(record: IncomingRecord, manner: Manner, by: str) -> OutgoingRecord:
    """Tell everybody that ``record``, of the quarantine, is settled, and by whom."""
    headers = (
        (SETTLES, b"%d" % record.offset),
        (SETTLED, manner.encode()),
        (BY, by[:TEXT_MAX].encode(errors="backslashreplace")),
    )
    return OutgoingRecord(record.topic, record.partition, record.key, headers, None)


def parse_settlement(record: IncomingRecord) -> Settlement | None:
    """What ``record`` settles; None: it is none, but a quarantined one."""
    found = _texts(record)
    offset, manner = _whole(found.get(SETTLES, "")), found.get(SETTLED)
    if offset is None or manner not in (REDRIVEN, DISCARDED):
        return None
    return Settlement(offset, manner, found.get(BY, ""), record.timestamp_ms)


def _whole(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    return int(text) if is_number else None


def _texts(record: IncomingRecord) -> dict[str, str]:
    return {name: value.decode(errors="backslashreplace") for name, value in record.headers}
