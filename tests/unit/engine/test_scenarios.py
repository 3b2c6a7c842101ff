"""Every scenario file, compared whole: events, commands, answers, outcomes, and what the saga is then.

``REWRITE_SCENARIOS=1 pytest tests/unit/engine/test_scenarios.py`` writes what is computed now; read the diff.
"""

import os
from pathlib import Path

import pytest

from tests.unit.engine.scenario import Scenario

FOLDER = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_scenario(file: Path) -> None:
    expected = file.read_text()
    scenario = Scenario()
    computed = scenario.run(expected)
    assert not any(type(event).__name__ == "DefectFound" for event in scenario.history)
    if os.environ.get("REWRITE_SCENARIOS"):
        file.write_text(computed)
    else:
        assert computed == expected


def test_there_are_scenarios() -> None:
    assert len(list(FOLDER.glob("*.txt"))) > 30
