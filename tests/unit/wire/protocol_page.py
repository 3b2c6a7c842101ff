"""docs/protocol.md, read: its listings as records, its tables as rows, its participant as a program."""

import re
from pathlib import Path

from orchestrator.wire.record import Headers, IncomingRecord

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
REPLIES = {name: text for kind, name, text in BLOCKS if kind == "reply"}
(COMMAND,) = (text for kind, _, text in BLOCKS if kind == "command")
(PROGRAM,) = (text for kind, _, text in BLOCKS if kind == "python")
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


def table(heading: str) -> list[list[str]]:
    """The rows of the table with this heading, cell by cell."""
    rows = PAGE.split(f"{heading}\n", 1)[1].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def codes(cell: str) -> list[str]:
    """What is written as code in a cell."""
    return re.findall(r"`([^`]+)`", cell)
