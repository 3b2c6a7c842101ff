"""`saga run`: the first signal drains, a second Ctrl-C does not wait for it; and how its process is tuned."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from orchestrator import telemetry
from orchestrator.cli import run, servers
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import Unavailable
from orchestrator.exit_code import ExitCode
from orchestrator.operations.figures import Figures
from orchestrator.operations.supervisor import Supervisor
from orchestrator.settings import Settings
from orchestrator.shard.runner import NOT_RUNNING, Status
from orchestrator.tuning import SWITCH_S


class Stoppable:
    """A service that only counts."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
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


def test_a_second_interrupt_of_a_supervisor_ends_its_processes_first(exits: list[int]) -> None:
    seen: list[list[int]] = []
    run.stop_on_signals(Stoppable(), lambda: seen.append(list(exits)))
    signal.raise_signal(signal.SIGINT)
    assert (seen, exits) == ([], [])
    signal.raise_signal(signal.SIGINT)
    assert (seen, exits) == ([[]], [ExitCode.INTERRUPTED])


def test_a_second_sigterm_goes_on_draining(exits: list[int]) -> None:
    service = Stoppable()
    run.stop_on_signals(service)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert (service.stops, exits) == (3, [])


class Service(Stoppable):
    """One that ends at once, and remembers how often threads switched meanwhile."""

    intervals: tuple[float, ...] = ()

    def status(self) -> Status:
        return NOT_RUNNING

    def check(self) -> None:
        self.intervals += (sys.getswitchinterval(),)

    def run(self) -> None:
        self.intervals += (sys.getswitchinterval(),)

    def close(self) -> None:
        self.intervals += (sys.getswitchinterval(),)


def test_the_process_is_tuned_while_the_service_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    service, before = Service(), sys.getswitchinterval()

    def build(settings: Settings, crash_point: CrashPoint, *, migrate_empty: bool, meter: Figures) -> Service:
        assert isinstance(meter, Figures)
        assert (settings.kafka, crash_point, migrate_empty) == ("nowhere:1", nowhere, False)
        return service

    def configure(*, json: bool | None, process: int | None) -> None:
        assert (json, process) == (None, None)

    monkeypatch.setattr(servers, "load", lambda: Settings(kafka="nowhere:1"))
    monkeypatch.setattr(run, "build", build)
    monkeypatch.setattr(telemetry, "configure", configure)
    assert run.run(argparse.Namespace(json=False, metrics_port=None, processes=None, supervised=None)) == ExitCode.OK
    assert service.intervals == pytest.approx((before, SWITCH_S, before))


def test_the_signal_to_restart_is_heard_while_the_servers_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    rolled: list[int] = []

    class Checked(Service):
        def check(self) -> None:
            assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL
            signal.raise_signal(signal.SIGUSR1)
            raise Unavailable("Kafka")

    def build(*_: object, **__: object) -> Checked:
        return Checked()

    def configure(**_: object) -> None: ...

    def roll(_supervisor: Supervisor) -> None:
        rolled.append(1)

    monkeypatch.setattr(servers, "load", lambda: Settings(kafka="nowhere:1"))
    monkeypatch.setattr(run, "build", build)
    monkeypatch.setattr(telemetry, "configure", configure)
    monkeypatch.setattr(Supervisor, "roll", roll)
    with pytest.raises(Unavailable):
        run.run(argparse.Namespace(json=False, metrics_port=None, processes=2, supervised=None))
    assert rolled == [1]
