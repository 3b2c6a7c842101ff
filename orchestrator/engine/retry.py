"""When an unanswered command is sent again: exact arithmetic, and jitter that is the same wherever it is computed."""

import hashlib
from decimal import ROUND_HALF_EVEN, Context, Decimal

from orchestrator.blueprint.model import Retry
from orchestrator.engine.state import Exchange

_ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[])
"""An interval that overflows is infinite, and ``maximum_ms`` the smaller."""


def tries_of(exchange: Exchange) -> int:
    """Attempts that count against the budget."""
    return exchange.attempt - exchange.counted_from


def attempts_text(exchange: Exchange) -> str:
    """All attempts under this id, in words."""
    return "1 attempt" if exchange.attempt == 1 else f"{exchange.attempt} attempts"


def used_up(retry: Retry, exchange: Exchange) -> bool:
    """Whether the latest attempt was the last one of the budget."""
    return 0 < retry.attempts_max <= tries_of(exchange)


def interval_ms(retry: Retry, command_id: str, attempt: int, tries: int) -> int:
    """How long to wait after ``attempt``, which is the ``tries``-th of the budget.

    initial x coefficient^(tries - 1), at most the maximum, and of that up to 10 % more or less, as
    sha256(command id, attempt) says.
    """
    growth = _ARITHMETIC.power(Decimal(retry.coefficient), max(tries, 1) - 1)
    grown = _ARITHMETIC.multiply(Decimal(retry.initial_ms), growth)
    interval = int(min(grown, Decimal(retry.maximum_ms)))
    digest = hashlib.sha256(f"{command_id}\n{attempt}".encode()).digest()
    fraction = int.from_bytes(digest[:8], "big")
    return interval * 9 // 10 + (interval * fraction // 5 >> 64)
