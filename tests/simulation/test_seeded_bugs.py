"""The simulator is tested itself: each rule of the product that is broken is found out, by its oracles alone."""

import pytest

from tests.simulation.scheduler import run
from tests.simulation.seeded import database, engine, loop, relay, takeover
from tests.simulation.seeded.registry import BUGS

pytestmark = pytest.mark.slow
RUNS_MAX = 10_000
"""None comes near it; one that is not found ends at the time limit of a test, with its name."""


def test_each_module_has_some() -> None:
    modules = {module.__name__ for module in (database, engine, loop, relay, takeover)}
    assert {plant.__module__ for plant in BUGS.values()} == modules
    assert len(BUGS) >= 20


@pytest.mark.parametrize("name", BUGS)
def test_a_seeded_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    found = next((report for report in map(run, range(RUNS_MAX)) if report.violations), None)
    assert found is not None, f"expected {name} to be found within {RUNS_MAX} runs: {BUGS[name].__doc__}"
