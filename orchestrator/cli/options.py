"""Arguments that several commands take, parsed and refused in one way."""

import argparse
import math
from collections.abc import Sequence

from orchestrator.errors import ConfigError


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
