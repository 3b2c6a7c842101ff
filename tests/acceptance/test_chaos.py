"""`make chaos`, short, as it is run: nothing lost, nothing doubled, order kept, not a cent missing, rebuilt equal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.plan import Deed, Target, draw

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAGAS, KILLS, SEED = 500, 5, 4
KINDS = {(fault.target, fault.deed) for fault in draw(SEED, KILLS)}
SECONDS = 600  # a busy machine takes long; a quiet one less than a minute
LAST_LINE = f"chaos: sagas={SAGAS} kills={KILLS} lost=0 doubled=0 reordered=0 money_conserved=yes rebuilt_equal=yes"


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "chaos", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("SAGA_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_the_seed_kills_everything_but_kafka_whose_restarts_take_long() -> None:
    assert {target for target, deed in KINDS if deed is Deed.KILLED} >= {Target.PARTICIPANT, Target.POSTGRES}
    assert (Target.ORCHESTRATOR, Deed.KILLED_AT_A_POINT) in KINDS
    assert KINDS.isdisjoint({(Target.KAFKA, Deed.KILLED), (Target.KAFKA, Deed.RESTARTED)})


@pytest.mark.timeout(SECONDS + 30)
def test_everything_is_killed_and_nothing_is_missing() -> None:
    done = chaos("--sagas", str(SAGAS), "--kills", str(KILLS), "--seed", str(SEED))

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == LAST_LINE
    told = re.sub(r"\s+", " ", done.stdout)
    for target, deed in KINDS:
        assert f"{target.value} {deed.value} " in told
    assert f" seed {SEED} " in told


def test_more_transfers_than_the_accounts_can_bear_are_refused() -> None:
    done = chaos("--sagas", "100001")

    assert done.returncode == 2
    assert "expected 1 to 100000 --sagas" in done.stderr
