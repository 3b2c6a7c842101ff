"""docs/protocol.md, read: its listings as records, its participant as a program."""

from orchestrator.wire.record import Headers, IncomingRecord
from tests.page import Page

PAGE = Page("docs/protocol.md")
REPLIES = PAGE.named_listings("reply")
(COMMAND,) = PAGE.listings("command")
(PROGRAM,) = PAGE.listings("python")
PLACE = ("topic", "partition", "key", "value")


def listed(text: str) -> dict[str, str]:
    """The lines of a listing: names to what stands behind them."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines()}


def record_of(text: str) -> IncomingRecord:
    """A listing as a record; Avro is written in hexadecimal digits."""
    lines = listed(text)
    headers: Headers = tuple((name, value.encode()) for name, value in lines.items() if name not in PLACE)
    value = lines.get("value", "")
    is_avro = lines.get("content-type") == "application/avro"
    return IncomingRecord(
        topic=lines["topic"],
        partition=int(lines.get("partition", "0")),
        offset=0,
        timestamp_ms=0,
        key=lines["key"].encode(),
        headers=headers,
        value=bytes.fromhex(value) if is_avro else value.encode() or None,
    )
