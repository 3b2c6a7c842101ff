"""What a stranger sees first: the demo, as it is run, with fewer transfers."""

import re
import signal
import subprocess
import sys

import psutil
import pytest

from tests.page import ROOT
from tests.program import bare_environment

pytestmark = pytest.mark.integration

SECONDS = 150
LAST_LINE = re.compile(
    r"demo: transfers=(?P<transfers>\d+) completed=(?P<completed>\d+) compensated=(?P<compensated>\d+) "
    r"lost=(?P<lost>\d+) doubled=(?P<doubled>\d+) money_conserved=(?P<money_conserved>yes|no) kills=(?P<kills>\d+) "
    r"in_flight_at_kill=(?P<in_flight_at_kill>\d+)"
)


def demo(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_orchestrator_is_killed_in_the_middle_and_not_a_cent_is_missing() -> None:
    process = demo("--transfers", "300", "--rate", "100")
    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, said
    found = LAST_LINE.fullmatch(said.splitlines()[-1])
    assert found is not None, said
    numbers = {name: int(value) for name, value in found.groupdict().items() if value.isdigit()}
    assert numbers.pop("in_flight_at_kill") >= 10
    # 30 go to closed accounts, 8 ask for more than there is.
    assert numbers == {"transfers": 300, "completed": 262, "compensated": 38, "lost": 0, "doubled": 0, "kills": 1}
    assert found["money_conserved"] == "yes"
    assert "kill -9" in said


def test_ctrl_c_ends_everything_that_the_demo_started() -> None:
    process = demo("--transfers", "5000", "--rate", "50")
    assert process.stdout is not None
    shown: list[str] = []
    for line in process.stdout:
        shown.append(line)
        if "saga run" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    assert {"java", "postgres"} <= {child.name() for child in family}, shown

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 130, said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_fewer_transfers_than_could_be_in_flight_are_refused() -> None:
    process = demo("--transfers", "5")
    said, _ = process.communicate(timeout=SECONDS)

    assert process.returncode == 2
    assert "expected 20 to 10000 --transfers" in said
