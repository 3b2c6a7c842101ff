"""Durations, and when an unanswered command is sent again."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from orchestrator.blueprint.model import Retry


def seconds(n: float) -> timedelta:
    """``n`` seconds."""
    return timedelta(seconds=n)


def minutes(n: float) -> timedelta:
    """``n`` minutes."""
    return timedelta(minutes=n)


def hours(n: float) -> timedelta:
    """``n`` hours."""
    return timedelta(hours=n)


def days(n: float) -> timedelta:
    """``n`` days of 24 hours."""
    return timedelta(days=n)


def milliseconds(name: str, duration: timedelta) -> int:
    """``duration`` in whole milliseconds, at least 1; raises TypeError or ValueError that names ``name``."""
    if type(duration) is not timedelta:
        raise TypeError(f"{name} is a duration, got {duration!r}: write seconds(…), minutes(…), hours(…) or days(…)")
    whole, rest = divmod(duration, timedelta(milliseconds=1))
    if whole < 1 or rest:
        raise ValueError(f"{name} is of whole milliseconds, at least one, got {duration}")
    return whole


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to send an unanswered command again; ``maximum_attempts=0`` is no limit.

    The pause before the second attempt is ``initial_interval``; each one after it is ``backoff_coefficient`` times
    longer, up to ``maximum_interval``. Raises TypeError or ValueError for what cannot be such a policy.
    """

    initial_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    maximum_interval: timedelta = timedelta(seconds=100)
    maximum_attempts: int = 0

    def __post_init__(self) -> None:
        initial = milliseconds("initial_interval", self.initial_interval)
        maximum = milliseconds("maximum_interval", self.maximum_interval)
        if maximum < initial:
            raise ValueError(
                f"expected maximum_interval to be at least initial_interval, {self.initial_interval}, "
                f"got {self.maximum_interval}"
            )
        if not 1 <= self.backoff_coefficient < float("inf"):
            raise ValueError(f"expected backoff_coefficient to be at least 1, got {self.backoff_coefficient}")
        if type(self.maximum_attempts) is not int or self.maximum_attempts < 0:
            raise ValueError(
                f"expected maximum_attempts to be a count, or 0 for no limit, got {self.maximum_attempts!r}"
            )


DEFAULT_RETRY: Final = RetryPolicy()
DEFAULT_UNDO_RETRY: Final = RetryPolicy(maximum_attempts=20)
DEFAULT_TIMEOUT: Final = seconds(30)
"""For one attempt."""


def retry_of(policy: RetryPolicy) -> Retry:
    """The policy as a blueprint has it: milliseconds, and no float."""
    coefficient = Decimal(str(policy.backoff_coefficient))
    return Retry(
        initial_ms=milliseconds("initial_interval", policy.initial_interval),
        coefficient=format(coefficient.normalize(), "f"),
        maximum_ms=milliseconds("maximum_interval", policy.maximum_interval),
        attempts_max=policy.maximum_attempts,
    )
