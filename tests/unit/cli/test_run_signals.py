"""The signals of `saga run`: the first one drains, a second Ctrl-C does not wait for it."""

import os
import signal
from collections.abc import Iterator

import pytest

from orchestrator.cli import run
from orchestrator.cli.exit_code import ExitCode


class Stoppable:
    """A service that only counts."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    seen: list[int] = []
    monkeypatch.setattr(os, "_exit", seen.append)
    return seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(exits: list[int], number: signal.Signals) -> None:
    service = Stoppable()
    run.stop_on_signals(service)
    signal.raise_signal(number)
    assert (service.stops, exits) == (1, [])


def test_a_second_interrupt_ends_at_once(exits: list[int]) -> None:
    run.stop_on_signals(Stoppable())
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert exits == [ExitCode.INTERRUPTED]


def test_a_second_sigterm_goes_on_draining(exits: list[int]) -> None:
    service = Stoppable()
    run.stop_on_signals(service)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert (service.stops, exits) == (3, [])
