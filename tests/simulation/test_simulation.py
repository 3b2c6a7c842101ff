"""The whole service under one seeded scheduler: 200,000 steps with every fault, and what is true after each run."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from orchestrator import crashpoints
from tests.simulation.chance import RATES
from tests.simulation.scheduler import Report, run

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PARTS = 8
STEPS_A_PART = 25_000
SEEDS_A_PART = 10_000


@cache
def part(number: int) -> tuple[Report, ...]:
    """The runs of one part, in order."""
    reports: list[Report] = []
    while sum(report.steps for report in reports) < STEPS_A_PART:
        reports.append(run(number * SEEDS_A_PART + len(reports)))
    return tuple(reports)


@pytest.mark.parametrize("number", range(PARTS))
def test_whatever_fails_and_in_whatever_order_no_oracle_is_violated(number: int) -> None:
    assert [(report.seed, report.violations) for report in part(number) if report.violations] == []


def test_every_fault_happens_and_every_crash_point_of_an_orchestrator_kills() -> None:
    reports = [report for number in range(PARTS) for report in part(number)]
    assert sum(report.steps for report in reports) >= PARTS * STEPS_A_PART
    assert {fault for report in reports for fault in report.faults} == set(RATES)
    killed_at = {place for report in reports for place in report.killed_at}
    assert set(crashpoints.OF_A_RUN) - killed_at == set()
    assert set(crashpoints.OF_A_RECOVERY) & killed_at  # a few of them in so many steps; all in a longer soak


def test_a_seed_replays() -> None:
    traces = [run(seed).trace for seed in (7, 8, 7)]
    assert traces[0] == traces[2] != traces[1]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_replays_in_another_process(hash_seed: str) -> None:
    code = "from tests.simulation.scheduler import run; print(*(run(seed).trace for seed in range(5)))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split()[-5:] == [run(seed).trace for seed in range(5)]
