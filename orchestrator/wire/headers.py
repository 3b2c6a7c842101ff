"""CloudEvents 1.0 in Kafka headers, binary mode: the names we use, how values are written, and how they are read.

Reading is strict where a value is needed and blind for everything else: unknown headers are nobody's fault.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from orchestrator.errors import MessageRejected
from orchestrator.wire.record import Headers, IncomingRecord
from orchestrator.wire.shape import LONG_MAX, shown

SPECVERSION: Final = "ce_specversion"
ID: Final = "ce_id"
TYPE: Final = "ce_type"
SOURCE: Final = "ce_source"
SUBJECT: Final = "ce_subject"
TIME: Final = "ce_time"
CONTENT_TYPE: Final = "content-type"
"""CloudEvents Kafka binding, section 3.2.1: ``datacontenttype`` is the one attribute without the prefix."""
DATASCHEMA: Final = "ce_dataschema"
SAGASTEP: Final = "ce_sagastep"
ATTEMPT: Final = "ce_attempt"
REPLYTO: Final = "ce_replyto"
REPLYPARTITION: Final = "ce_replypartition"
EXPIRES: Final = "ce_expires"
UNDOES: Final = "ce_undoes"
SEQUENCE: Final = "ce_sequence"
TRACEPARENT: Final = "traceparent"
COMMANDID: Final = "ce_commandid"
OUTCOME: Final = "ce_outcome"
SKIPPED: Final = "ce_skipped"
RETRYABLE: Final = "ce_retryable"
RETRYAFTERMS: Final = "ce_retryafterms"
NOEFFECT: Final = "ce_noeffect"
FORWARDEDFROM: Final = "ce_forwardedfrom"

VERSION: Final = (SPECVERSION, b"1.0")
AVRO: Final = "application/avro"
JSON: Final = "application/json"

TEXT_MAX: Final = 4_096
"""Characters of a header that is read: ids and names are far shorter, and what is longer goes to no index of ours."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS_MAX: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write."""
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_TRACE: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{1,200})?")
"""W3C ``traceparent``; versions to come may add to it."""
_DIGITS_MAX: Final = len(str(LONG_MAX))
_NO_NAMES: Final = frozenset[str]()
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
"""Postgres text cannot hold NUL, and no id, name or type of ours holds any of them."""


@lru_cache(maxsize=1024)
def time_header(moment_ms: int) -> bytes:
    """RFC 3339 in UTC to the millisecond; milliseconds since 1970, beyond the year 9999 its last one."""
    moment = _EPOCH + timedelta(milliseconds=min(moment_ms, _MS_MAX))
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z".encode()


def whole_header(value: int) -> bytes:
    """A CloudEvents integer."""
    return b"%d" % value


def envelope(event_id: str, message_type: str, source: bytes, subject: bytes, time_ms: int) -> Headers:
    """What every message begins with: who says what of which saga, and when."""
    return (
        VERSION,
        (ID, event_id.encode()),
        (TYPE, message_type.encode()),
        (SOURCE, source),
        (SUBJECT, subject),
        (TIME, time_header(time_ms)),
    )


def avro_headers(schema_id: str) -> Headers:
    """Of a message whose body is Avro, written with this schema."""
    return ((CONTENT_TYPE, AVRO.encode()), (DATASCHEMA, schema_id.encode()))


def source_of(namespace: str, shard: int) -> bytes:
    """``/{namespace}/{shard}``: the ``ce_source`` of what an orchestrator writes."""
    return f"/{namespace}/{shard}".encode()


def place_of(record: IncomingRecord) -> str:
    """``topic/partition/offset``."""
    return f"{record.topic}/{record.partition}/{record.offset}"


class HeaderReader:
    """The headers of one record, by name and typed; what is missing or malformed raises ``MessageRejected``."""

    __slots__ = ("_double", "_found", "_record")

    def __init__(self, record: IncomingRecord) -> None:
        self._record = record
        self._found = dict(record.headers)
        self._double = _NO_NAMES if len(self._found) == len(record.headers) else _contradictions(record.headers)

    def text_or_none(self, name: str) -> str | None:
        """The header as text; None when it is not there."""
        return self.text(name, "a text") if name in self._found else None

    def text(self, name: str, meaning: str) -> str:
        """The header as text; ``meaning`` says in an error what it should have been."""
        value = self._found.get(name)
        if value is None:
            raise self._missing(name, meaning)
        if name in self._double:
            raise self._malformed(name, "one value", "several that differ")
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise self._malformed(name, "text in UTF-8", shown(value)) from None
        if not text or len(text) > TEXT_MAX or (not text.isprintable() and _CONTROL.search(text)):
            raise self._malformed(name, f"1 to {TEXT_MAX} characters, none of them a control character", shown(text))
        return text

    def whole_or_none(self, name: str, meaning: str, high: int = LONG_MAX) -> int | None:
        """A number from 0 to ``high``; None when it is not there."""
        return self.whole(name, meaning, high) if name in self._found else None

    def whole(self, name: str, meaning: str, high: int = LONG_MAX) -> int:
        """A number from 0 to ``high``."""
        text = self.text(name, meaning)
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and (value := int(text)) <= high:
            return value
        raise self._malformed(name, f"{meaning}, a whole number from 0 to {high}", shown(text))

    def time_ms_or_none(self, name: str, meaning: str) -> int | None:
        """An RFC 3339 time in milliseconds since 1970, which it is not before; None when it is not there."""
        text = self.text_or_none(name)
        if text is None:
            return None
        moment_ms = _ms_of(text)
        if moment_ms is None:
            raise self._malformed(name, f"{meaning}, a time like 2026-01-31T12:00:00.000Z", shown(text))
        return moment_ms

    def trace_or_none(self) -> str | None:
        """The W3C trace context; None when it is not there or cannot be read: no message is refused because of it."""
        value = self._found.get(TRACEPARENT)
        if value is None or TRACEPARENT in self._double or not _TRACE.fullmatch(value):
            return None
        return value.decode()

    def flag(self, name: str) -> bool:
        """A CloudEvents boolean; false when it is not there."""
        return name in self._found and self.one_of(name, ("true", "false")) == "true"

    def one_of(self, name: str, values: Sequence[str]) -> str:
        """One of ``values``."""
        text = self.text_or_none(name)
        if text is not None and text in values:
            return text
        meaning = f"one of {', '.join(values)}"
        raise self._missing(name, meaning) if text is None else self._malformed(name, meaning, shown(text))

    def refuse(self, name: str, expected: str, got: str) -> MessageRejected:
        """What to raise when a header is well formed and contradicts another."""
        return self._malformed(name, expected, got)

    def _missing(self, name: str, meaning: str) -> MessageRejected:
        text = f"expected {meaning} in the header {name}, got none, in {place_of(self._record)}"
        return MessageRejected("missing_header", text)

    def _malformed(self, name: str, expected: str, got: str) -> MessageRejected:
        return MessageRejected(
            "malformed_header", f"expected {expected} in the header {name}, got {got}, in {place_of(self._record)}"
        )


@lru_cache(maxsize=1024)
def _ms_of(text: str) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 time; None when it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        since = datetime.fromisoformat(text.upper()) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return since // timedelta(milliseconds=1) if since >= timedelta(0) else None


def _contradictions(headers: Headers) -> frozenset[str]:
    """Names that occur more than once with different values."""
    found: dict[str, bytes] = {}
    return frozenset(name for name, value in headers if found.setdefault(name, value) != value)
