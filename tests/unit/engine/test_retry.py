"""Intervals between attempts: growth, maximum, and a jitter that is the same wherever it is computed."""

import pytest

from orchestrator.blueprint.model import Retry
from orchestrator.engine.retry import interval_ms

POLICY = Retry(initial_ms=1000, coefficient="2", maximum_ms=100_000, attempts_max=0)


def test_an_interval_is_frozen_for_its_command_id_and_attempt() -> None:
    assert interval_ms(POLICY, "s1/withdraw/0/do", 1, 1) == 990
    assert interval_ms(POLICY, "s1/withdraw/0/do", 2, 2) == 2148
    assert interval_ms(POLICY, "s1/withdraw/0/undo", 1, 1) == 976


@pytest.mark.parametrize("tries", range(1, 12))
def test_an_interval_grows_to_its_maximum_and_stays_within_ten_percent(tries: int) -> None:
    plain = min(1000 * 2 ** (tries - 1), 100_000)
    found = [interval_ms(POLICY, f"s{number}/withdraw/0/do", tries, tries) for number in range(300)]
    assert plain * 0.9 <= min(found) < plain * 0.92
    assert plain * 1.08 < max(found) <= plain * 1.1


def test_a_fractional_coefficient_is_exact() -> None:
    policy = Retry(initial_ms=10**9, coefficient="1.1", maximum_ms=10**15, attempts_max=0)
    even = Retry(initial_ms=1_210_000_000, coefficient="1", maximum_ms=10**15, attempts_max=0)
    assert interval_ms(policy, "x", 3, 3) == interval_ms(even, "x", 3, 1)


@pytest.mark.parametrize("tries", [10_000, 10**9])
def test_an_interval_that_overflows_is_the_maximum(tries: int) -> None:
    assert 90_000 <= interval_ms(POLICY, "x", 1, tries) <= 110_000


def test_attempts_counted_anew_begin_at_the_initial_interval() -> None:
    assert 900 <= interval_ms(POLICY, "x", 7, 0) <= 1100
