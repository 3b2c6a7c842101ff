"""The service as it was before operations, recovery and this version's relay, beside the one of today.

It is taken from the repository's history and run as it was. Its tables are older: `saga migrate` upgrades them under
it, and it goes on until it is stopped.
"""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from demo.system import EXAMPLE
from orchestrator.settings import Settings
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import Stage
from tests.acceptance.faults.town import ALL, Town, town_on
from tests.page import ROOT
from tests.waiting import until

OLD: Final = "8ffe032cba0cf4dbb2f915ad102331ad632dc583"
"""The last commit of the first release's main work."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the old service, for PYTHONPATH."""
    directory = tmp_path_factory.mktemp("old")
    archive = directory / "old.tar"
    made = subprocess.run(
        ["git", "archive", "--output", str(archive), OLD, "orchestrator", "schemas"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.fail(
            f"expected commit {OLD[:7]} in the history of {ROOT}, got `{made.stderr.strip()}`: this test runs that "
            f"version beside this one, so it needs a clone with its whole history (git fetch --unshallow)"
        )
    subprocess.run(["tar", "-xf", str(archive), "-C", str(directory)], check=True)
    return directory


def of(old: Path) -> dict[str, str]:
    """What makes Python import the old service, and nothing of the working directory."""
    return {"PYTHONPATH": str(old), "PYTHONSAFEPATH": "1"}


@pytest.fixture
def town(stage: Stage, old: Path) -> Generator[Town]:
    """A namespace that the old version made."""

    def founded(settings: Settings) -> None:
        environment = {
            **of(old),
            "SAGA_NAMESPACE": settings.namespace,
            "SAGA_DATABASE": settings.need_database(),
        }
        stage.system.saga("migrate", environment=environment)
        stage.system.saga("deploy", str(EXAMPLE / "saga.py"), "--create-topics", environment=environment)

    stage.towns += 1
    with town_on(stage, f"town{stage.towns}", founded) as town:
        yield town


def run_old(town: Town, name: str, old: Path) -> Orchestrator:
    return town.orchestrator(name, of(old))


def test_the_old_service_is_another_program(old: Path) -> None:
    where = [sys.executable, "-c", "import orchestrator; print(orchestrator.__file__)"]
    said = subprocess.run(where, env=of(old), capture_output=True, text=True, check=True).stdout
    assert Path(said.strip()) == old / "orchestrator" / "__init__.py"
    assert not (old / "orchestrator" / "recovery").exists()


def refused(orchestrator: Orchestrator, text: str) -> None:
    """It ends by itself, and says why."""
    until(lambda: orchestrator.service.status is not None)
    assert text in orchestrator.service.log.read_text()
    orchestrator.kill()


def test_an_upgrade_under_load_loses_and_doubles_nothing(town: Town, old: Path) -> None:
    first = run_old(town, "old", old)
    until(lambda: first.owned() == ALL)
    town.transfer(30)
    refused(town.orchestrator("too-early"), "run `saga migrate`")
    town.transfer(30)
    town.saga("migrate")
    town.transfer(30)
    second = town.orchestrator("new")
    until(lambda: len(first.owned()) == len(second.owned()) == 1)
    town.transfer(30)
    first.stop()
    until(lambda: second.owned() == ALL)
    town.transfer(30)
    refused(run_old(town, "too-late", old), "run that version")
    town.settle()
    town.prove()
    assert '"equal": true' in town.saga("verify", "--json")
