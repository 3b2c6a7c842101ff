"""docs/reliability.md: the fifteen scenarios, each with tests that exist and the target of make that runs them."""

import ast
import re

import pytest

from orchestrator.crashpoints import NAMES
from tests.page import ROOT, Page, codes

ROWS = Page("docs/reliability.md").table("| scenario | invariant |")
TESTS = {cells[0]: [code.split("::") for code in codes(cells[2]) if "::" in code] for cells in ROWS}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def listed(variable: str) -> list[str]:
    """The places that a variable of the Makefile lists."""
    (value,) = re.findall(rf"^{variable} :=((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    return value.replace("\\\n", " ").split()


TARGETS = [*((place, "test-systems") for place in listed("SYSTEMS")), (*listed("SCENARIOS"), "test-scenarios")]


def target_of(file: str) -> str:
    return next((target for place, target in TARGETS if file.startswith(place)), "test")


def functions(file: str) -> set[str]:
    parsed = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef)}


def test_there_are_fifteen_in_their_order() -> None:
    numbers = [found[1] for cells in ROWS if (found := re.match(r"(\d+)\. ", cells[0]))]
    assert numbers == [str(number) for number in range(1, 16)]
    assert all(re.match(r"\d+\. |… ", cells[0]) for cells in ROWS)


@pytest.mark.parametrize("scenario", TESTS)
def test_its_tests_exist(scenario: str) -> None:
    assert TESTS[scenario]
    assert [name for file, name in TESTS[scenario] if name not in functions(file)] == []


@pytest.mark.parametrize("cells", ROWS, ids=lambda cells: cells[0])
def test_its_targets_run_them(cells: list[str]) -> None:
    assert set(codes(cells[3])) == {target_of(file) for file, _ in TESTS[cells[0]]}


def test_the_targets_are_found() -> None:
    assert target_of("tests/acceptance/faults/test_zombies.py") == "test-systems"
    assert target_of("tests/acceptance/scenarios/test_cluster.py") == "test-scenarios"
    assert target_of("tests/acceptance/test_crash_points.py") == "test"


def test_the_crash_points_that_it_names_exist() -> None:
    named = {code for cells in ROWS for code in codes(cells[2]) if "::" not in code}
    assert "commit.after_end" in named
    assert named <= set(NAMES)


def test_every_scenario_that_is_tested_is_told() -> None:
    told = {(file, name) for tests in TESTS.values() for file, name in tests}
    folder = ROOT / "tests" / "acceptance" / "scenarios"
    there = {
        (file.relative_to(ROOT).as_posix(), name)
        for file in folder.glob("test_*.py")
        for name in functions(file.relative_to(ROOT).as_posix())
        if name.startswith("test_")
    }
    assert {name for _, name in there - told} == {"test_the_old_service_is_another_program"}
