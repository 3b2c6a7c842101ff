from datetime import timedelta
from typing import Any

import pytest

from orchestrator import RetryPolicy, days, hours, minutes, seconds
from orchestrator.blueprint.model import Retry
from orchestrator.definition.policies import DEFAULT_RETRY, DEFAULT_TIMEOUT, DEFAULT_UNDO_RETRY, milliseconds, retry_of
from tests.page import Page


def test_durations() -> None:
    assert (seconds(1.5), minutes(2), hours(3), days(4)) == (
        timedelta(milliseconds=1500),
        timedelta(minutes=2),
        timedelta(hours=3),
        timedelta(days=4),
    )


def test_the_defaults_try_a_step_for_ever_and_an_undo_twenty_times() -> None:
    assert retry_of(DEFAULT_RETRY) == Retry(initial_ms=1000, coefficient="2", maximum_ms=100_000, attempts_max=0)
    assert retry_of(DEFAULT_UNDO_RETRY).attempts_max == 20
    assert milliseconds("timeout", DEFAULT_TIMEOUT) == 30_000
    readme = Page("README.md").text
    assert "Each attempt of a command has 30 s" in readme
    assert "by default for ever, with pauses of 1 s that double to 100 s" in readme


@pytest.mark.parametrize(("coefficient", "text"), [(2.0, "2"), (1.5, "1.5"), (10, "10"), (1.1, "1.1"), (100.0, "100")])
def test_a_coefficient_is_stored_as_decimal_text(coefficient: float, text: str) -> None:
    assert retry_of(RetryPolicy(backoff_coefficient=coefficient)).coefficient == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"initial_interval": 5}, "initial_interval is a duration, got 5: write seconds"),
        ({"maximum_interval": timedelta(0)}, "maximum_interval is of whole milliseconds, at least one, got 0:00:00"),
        ({"initial_interval": timedelta(microseconds=1500)}, "initial_interval is of whole milliseconds"),
        ({"initial_interval": minutes(5)}, "expected maximum_interval to be at least initial_interval, 0:05:00"),
        ({"backoff_coefficient": 0.5}, "expected backoff_coefficient to be at least 1, got 0.5"),
        ({"backoff_coefficient": float("nan")}, "expected backoff_coefficient to be at least 1, got nan"),
        ({"backoff_coefficient": float("inf")}, "expected backoff_coefficient to be at least 1, got inf"),
        ({"maximum_attempts": -1}, "expected maximum_attempts to be a count, or 0 for no limit, got -1"),
        ({"maximum_attempts": 1.5}, "expected maximum_attempts to be a count"),
    ],
)
def test_what_cannot_be_a_policy_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        RetryPolicy(**fields)


def test_milliseconds_names_what_it_is_about() -> None:
    assert milliseconds("timeout", seconds(1.25)) == 1250
    with pytest.raises(ValueError, match="timeout is of whole milliseconds"):
        milliseconds("timeout", timedelta(seconds=-1))
