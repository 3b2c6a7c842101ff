"""Values, times and durations as a person reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from orchestrator.blueprint import values
from orchestrator.blueprint.values import RECORD_NAME, Data

LENGTH_MAX: Final = 160
"""Of a value on one line; `--json` has all of it."""
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def instant(ms: int) -> str:
    """``2026-01-02T03:04:05.006Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_instant(ms: int | None) -> str | None:
    """``instant``, if there is one."""
    return None if ms is None else instant(ms)


def span(ms: int) -> str:
    """``0.012 s``, ``3 min 05 s``, ``2 h 07 min``, ``4 d 03 h``."""
    if ms < _MINUTE:
        return f"{ms / 1000:.3f} s"
    if ms < _HOUR:
        return f"{ms // _MINUTE} min {ms % _MINUTE // _SECOND:02} s"
    if ms < _DAY:
        return f"{ms // _HOUR} h {ms % _HOUR // _MINUTE:02} min"
    return f"{ms // _DAY} d {ms % _DAY // _HOUR:02} h"


def short(data: Data) -> str:
    """A reply, an input or a rejection on one line: ``account=alice, balance=12.5``; what is too long is cut."""
    text = _fields(data) if isinstance(data, dict) else _text(data)
    return text if len(text) <= LENGTH_MAX else text[: LENGTH_MAX - 1] + "…"


def message(kind: str, body: Data) -> str:
    """A message with what it says: ``bank.AccountNotFound(account=bob)``, ``OSError: the disk is full``."""
    match body:
        case None:
            return kind
        case str():
            return f"{kind}: {short(body)}"
        case _:
            return f"{kind}({short(body)})"


def _fields(record: Mapping[str, Data]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in record.items() if name != RECORD_NAME)


def _text(value: Data) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return str(values.plain(value))  # 12.500000000 is how it is kept, 12.5 is what it is
        case bytes():
            return f"{len(value)} bytes"
        case datetime():
            return values.instant_text(value)
        case dict():
            name = value.get(RECORD_NAME)
            return f"{name}({_fields(value)})" if isinstance(name, str) else f"{{{_fields(value)}}}"
        case list():
            return f"[{', '.join(map(_text, value))}]"
        case str() if not value or value != value.strip() or not value.isprintable():
            return repr(value)
        case _:
            return str(value)
