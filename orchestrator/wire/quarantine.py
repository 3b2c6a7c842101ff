"""The quarantine: what could not be read or sent, whole, with the reason, so that a person can see it and mend it.

Headers: ``quarantine_reason`` (a word), ``quarantine_text`` (for a person), ``quarantine_source``
(``topic/partition/offset`` of what was read), ``quarantine_key`` (its key), and the record's own headers with
``original_`` before their names. The key is the source. Nothing here is ever larger than the topic allows: a record
that cannot be sent would block its shard for ever.
"""

from typing import Final, Protocol

from orchestrator.blueprint.model import Message
from orchestrator.blueprint.values import dumps
from orchestrator.wire.command import Command
from orchestrator.wire.headers import ID, SUBJECT, TYPE, place_of
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
        *_why("undeliverable", text),
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
