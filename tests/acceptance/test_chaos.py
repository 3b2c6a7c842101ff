"""`make chaos`, short, as it is run: nothing lost, nothing doubled, order kept, not a cent missing, rebuilt equal."""

import re

import pytest

from chaos.plan import Deed, Target, draw
from tests.program import run_module

pytestmark = pytest.mark.integration

SAGAS, KILLS, SEED = 500, 5, 4
KINDS = {(fault.target, fault.deed) for fault in draw(SEED, KILLS)}
SECONDS = 600  # a busy machine takes long; a quiet one less than a minute
LAST_LINE = f"chaos: sagas={SAGAS} kills={KILLS} lost=0 doubled=0 reordered=0 money_conserved=yes rebuilt_equal=yes"


def test_the_seed_kills_everything_but_kafka_whose_restarts_take_long() -> None:
    assert {target for target, deed in KINDS if deed is Deed.KILLED} >= {Target.PARTICIPANT, Target.POSTGRES}
    assert (Target.ORCHESTRATOR, Deed.KILLED_AT_A_POINT) in KINDS
    assert KINDS.isdisjoint({(Target.KAFKA, Deed.KILLED), (Target.KAFKA, Deed.RESTARTED)})


@pytest.mark.timeout(SECONDS + 30)
def test_everything_is_killed_and_nothing_is_missing() -> None:
    done = run_module("chaos", "--sagas", str(SAGAS), "--kills", str(KILLS), "--seed", str(SEED), timeout_s=SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == LAST_LINE
    told = re.sub(r"\s+", " ", done.stdout)
    for target, deed in KINDS:
        assert f"{target.value} {deed.value} " in told
    assert f" seed {SEED} " in told


def test_more_transfers_than_the_accounts_can_bear_are_refused() -> None:
    done = run_module("chaos", "--sagas", "100001", timeout_s=SECONDS)

    assert done.returncode == 2
    assert "expected 1 to 100000 --sagas" in done.stderr
