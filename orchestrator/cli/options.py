"""Arguments that several commands take, parsed and refused in one way."""

import argparse
import math
from collections.abc import Sequence
from datetime import datetime

from orchestrator.clock import now_ms
from orchestrator.errors import ConfigError
from orchestrator.settings import duration_ms


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def duration(text: str) -> float:
    """Seconds, more than 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return seconds


def moment(text: str) -> int:
    """Milliseconds since 1970: RFC 3339 with an offset, or how long ago (``90s``, ``30m``, ``2h``, ``7d``)."""
    ago_ms = duration_ms(text)
    if ago_ms is not None:
        return now_ms() - ago_ms
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected 2h, 7d or a time like 2026-01-31T12:00:00Z, got {text!r}")
    return round(found.timestamp() * 1_000)


def where(text: str) -> tuple[str, str]:
    """``label=value``."""
    label, sign, value = text.partition("=")
    if not label or not sign:
        raise argparse.ArgumentTypeError(f"expected label=value, got {text!r}")
    return label, value


def labels_of(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What several ``--where`` ask for together. Raises ``ConfigError`` for two values of one label."""
    labels: dict[str, str] = {}
    for label, value in pairs:
        if labels.setdefault(label, value) != value:
            raise ConfigError(f"expected one value of the label {label}, got {labels[label]!r} and {value!r}")
    return labels
