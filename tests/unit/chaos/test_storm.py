"""Faults on processes that do nothing but live: what is done to them, and what becomes of them afterwards."""

from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from chaos.city import City, Process
from chaos.plan import Deed, Fault, Target
from chaos.proxy import HOST, Proxy, Way
from chaos.storm import Storm
from demo.system import Service, System
from tests.waiting import until

pytestmark = pytest.mark.slow

LIVE = 'if [ -n "$SAGA_TEST_CRASH_AT" ]; then kill -9 $$; fi; exec sleep 600'
"""A process that is killed at whatever crash point it is told."""
AWAY = 5
LONG_S = 600.0


class Street:
    """A city without servers."""

    def __init__(self, directory: Path, way: Proxy) -> None:
        self.lines: dict[str, str] = dict.fromkeys(
            ("participant", "orchestrator-0", "orchestrator-1", "orchestrator-2"), LIVE
        )
        self._directory = directory
        participant, *orchestrators = map(self._process, self.lines)
        self.city = City(System(directory), "", participant, orchestrators, way, way)
        for each in (participant, *orchestrators[:-1]):
            each.start()
        self.said: list[str] = []

    def _process(self, name: str) -> Process:
        def make(environment: Mapping[str, str]) -> Service:
            return Service(name, ["/bin/sh", "-c", self.lines[name]], environment, self._directory / name)

        return Process(name, make, frozenset({AWAY}))

    def storm(self, *faults: Fault) -> Storm:
        return Storm(self.city, faults, self.said.append)

    def close(self) -> None:
        for each in (*self.city.orchestrators, self.city.participant):
            each.end()


@pytest.fixture
def way() -> Generator[Proxy]:
    with closing(Proxy((HOST, 9))) as way:
        way.start()
        yield way


@pytest.fixture
def street(tmp_path: Path, way: Proxy) -> Generator[Street]:
    with closing(Street(tmp_path, way)) as street:
        yield street


def state(process: Process) -> str:
    return psutil.Process(process.pid).status()


def test_who_is_killed_is_away_for_a_while_and_comes_back(street: Street) -> None:
    process = street.city.orchestrators[1]
    before = process.pid
    storm = street.storm(Fault(Target.ORCHESTRATOR, Deed.KILLED, 1, LONG_S))
    storm.step(0, 1)
    assert not psutil.pid_exists(before)
    storm.step(0, 1)
    assert not process.there
    storm.calm()
    assert psutil.pid_exists(process.pid)
    assert storm.tally.kills == 1
    assert storm.tally.faults == {(Target.ORCHESTRATOR, Deed.KILLED): 1}


def test_a_successor_is_killed_at_its_crash_point_and_followed_by_another_one(street: Street) -> None:
    storm = street.storm(Fault(Target.ORCHESTRATOR, Deed.KILLED_AT_A_POINT, 0, 1.0, "relay.after_begin:2"))
    doomed = street.city.orchestrators[0]
    storm.step(0, 1)
    until(lambda: doomed.status is not None)
    storm.step(0, 1)
    assert storm.tally.reached == {"relay.after_begin": 1}
    assert storm.tally.kills == 2
    assert psutil.pid_exists(doomed.pid)


def test_one_that_does_not_come_to_its_crash_point_is_killed_wherever_it_is(street: Street) -> None:
    street.lines["orchestrator-0"] = "exec sleep 600"
    storm = street.storm(Fault(Target.ORCHESTRATOR, Deed.KILLED_AT_A_POINT, 0, 1.0, "relay.after_begin:2"))
    storm.step(0, 1)
    storm.calm()
    assert (storm.tally.reached, storm.tally.missed) == ({}, {"relay.after_begin": 1})
    assert storm.tally.kills == 2


def test_who_is_stopped_goes_on_and_nothing_else_happens_to_it_meanwhile(street: Street) -> None:
    process = street.city.participant
    stopped = Fault(Target.PARTICIPANT, Deed.STOPPED, 0, LONG_S)
    killed = Fault(Target.PARTICIPANT, Deed.KILLED, 0, LONG_S)
    storm = street.storm(stopped, killed)
    storm.step(9, 9)
    until(lambda: state(process) == psutil.STATUS_STOPPED)
    storm.step(9, 9)
    assert storm.tally.kills == 0
    storm.calm()
    until(lambda: state(process) == psutil.STATUS_SLEEPING)


def test_a_fault_waits_for_its_share_of_the_outcomes(street: Street) -> None:
    cut = Fault(Target.WAY_TO_KAFKA, Deed.CUT, 0, 0.0)
    storm = street.storm(cut, cut)
    assert storm.allowed(90) == 30
    storm.step(29, 90)
    assert street.said == []
    storm.step(30, 90)
    assert len(street.said) == 1
    assert storm.allowed(90) == 60
    storm.step(60, 90)
    assert storm.allowed(90) == 90


def test_a_third_one_joins_and_leaves(street: Street) -> None:
    third = street.city.orchestrators[2]
    moved = Fault(Target.ORCHESTRATOR, Deed.MOVED, 0, 0.0)
    storm = street.storm(moved, moved)
    storm.step(9, 9)
    assert psutil.pid_exists(third.pid)
    storm.step(9, 9)
    until(lambda: third.status is not None)
    storm.step(9, 9)
    assert not third.there


@pytest.mark.parametrize(
    ("status", "ended", "inexcusable"),
    [(AWAY, {"orchestrator": 1}, []), (1, {}, ["orchestrator-1 ended by itself with status 1"])],
)
def test_who_ends_by_itself_is_started_again_and_needs_an_excuse(
    street: Street, status: int, ended: dict[str, int], inexcusable: list[str]
) -> None:
    street.lines["orchestrator-1"] = f"exit {status}"
    process = street.city.orchestrators[1]
    process.start()
    until(lambda: process.status is not None)
    street.lines["orchestrator-1"] = LIVE
    storm = street.storm()
    storm.step(0, 1)
    storm.calm()
    assert psutil.pid_exists(process.pid)
    assert (storm.tally.ended, storm.tally.inexcusable) == (ended, inexcusable)


def test_a_way_is_half_open_for_a_while_and_cut_in_the_end(street: Street, way: Proxy) -> None:
    storm = street.storm(Fault(Target.WAY_TO_POSTGRES, Deed.HALF_OPEN, 0, LONG_S))
    storm.step(0, 1)
    assert way.way is Way.SILENT
    storm.calm()
    assert way.way is Way.OPEN
