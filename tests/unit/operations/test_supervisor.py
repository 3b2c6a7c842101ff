"""A supervisor keeps its children running: real processes, that only report and wait."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.operations.report import Report, text
from orchestrator.operations.supervisor import Patience, Supervisor
from tests.waiting import until

pytestmark = pytest.mark.slow
PATIENCE_S = 60
QUICK = Patience(pause_s=0.01, pause_max_s=0.02, drain_s=10, ready_s=10)
# Leaves its process id in a folder, reports that it is ready and has counted 1, and waits for SIGTERM or for its end.
CHILD = """
import os, signal, sys
number, folder, how = sys.argv[1:]
def leave(*_):
    print(REPORT % (number, 2), flush=True)
    os._exit(0)
REPORT = '''{"process": %s, "unhealthy": [], "unready": [], "families": [
    {"name": "saga_retries", "kind": "counter", "help": "h", "samples": [["saga_retries_total", [], %d]]},
    {"name": "saga_lag_records", "kind": "gauge", "help": "h", "samples": [["saga_lag_records", [], 7]]}
]}'''.replace(chr(10), "")
open(os.path.join(folder, number + "-" + str(os.getpid())), "x").close()
signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "deaf" else leave)
if how != "mute":
    print("a library prints", flush=True)
    print(REPORT % (number, 1), flush=True)
if how == "ends":
    os._exit(3)
while os.read(0, 1):
    pass
"""


class Children:
    """The children that were ever started."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder = folder
        self._how = how

    def command(self, number: int) -> Sequence[str]:
        return [sys.executable, "-S", "-c", textwrap.dedent(CHILD), str(number), str(self._folder), self._how]

    def started(self, number: int) -> list[int]:
        return [int(path.name.partition("-")[2]) for path in self._folder.glob(f"{number}-*")]

    def alive(self) -> list[int]:
        return [pid for path in self._folder.iterdir() if alive(pid := int(path.name.partition("-")[2]))]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def running(children: Children, processes: int = 2, patience: Patience = QUICK) -> Generator[Supervisor]:
    supervisor = Supervisor(children.command, processes, patience)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert children.alive() == []


def ready(supervisor: Supervisor) -> bool:
    return not any(report.unready for report in supervisor.reports())


def lines(supervisor: Supervisor) -> list[str]:
    return [line for line in text(supervisor.reports()).decode().splitlines() if not line.startswith("#")]


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path, "waits")


def test_children_run_are_added_up_and_end_when_asked(children: Children) -> None:
    with running(children, 3) as supervisor:
        until(lambda: ready(supervisor))
        assert [report.process for report in supervisor.reports()] == [1, 2, 3]
        assert {"saga_retries_total 3.0", "saga_lag_records 7.0", 'saga_process_up{process="3"} 1.0'} <= set(
            lines(supervisor)
        )


def test_a_child_that_is_killed_is_started_again_and_its_counts_stay(children: Children) -> None:
    with running(children) as supervisor:
        until(lambda: ready(supervisor))
        (killed,) = children.started(1)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(children.started(1)) == 2 and ready(supervisor))
        assert len(children.started(2)) == 1
        assert {
            "saga_retries_total 3.0",
            'saga_process_restarts_total{process="1"} 1.0',
            'saga_process_restarts_total{process="2"} 0.0',
        } <= set(lines(supervisor))


def test_a_child_that_ends_again_and_again_is_started_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    children, began = Children(tmp_path, "ends"), time.monotonic()
    with running(children, 1, Patience(pause_s=0.05, pause_max_s=0.2)):
        until(lambda: len(children.started(1)) == 4)
    assert time.monotonic() - began > 0.05 + 0.1 + 0.2


def test_between_two_children_it_is_not_ready_and_not_unhealthy(tmp_path: Path) -> None:
    children = Children(tmp_path, "ends")
    with running(children, 1, Patience(pause_s=PATIENCE_S)) as supervisor:
        until(lambda: supervisor.reports()[0].unready == ("it ended, and is started again",))
        (report,) = supervisor.reports()
        assert report.unhealthy == ()
        assert 'saga_process_up{process="1"} 0.0' in lines(supervisor)
        assert "saga_lag_records 7.0" not in lines(supervisor)


def test_a_child_that_does_not_report_any_more_is_unhealthy(tmp_path: Path) -> None:
    children = Children(tmp_path, "mute")
    with running(children, 1, Patience(silent_s=0.2)) as supervisor:
        until(lambda: supervisor.reports()[0].unhealthy)
        (report,) = supervisor.reports()
        assert report.unhealthy[0].startswith("it has not reported for ")
        assert report.unready == ("it has just been started",)


def test_a_rolling_restart_takes_one_child_after_the_other(children: Children) -> None:
    running_at_once: list[int] = []
    with running(children, 3) as supervisor:
        until(lambda: ready(supervisor))

        def restarted() -> bool:
            running_at_once.append(sum(line.endswith("1.0") for line in lines(supervisor) if "_up" in line))
            return all(len(children.started(number)) == 2 for number in (1, 2, 3)) and ready(supervisor)

        supervisor.roll()
        until(restarted)
        assert min(running_at_once) >= 2
        # What each told last, and what each of its successors told.
        assert "saga_retries_total 9.0" in lines(supervisor)


def test_a_stop_does_not_wait_for_a_rolling_restart(tmp_path: Path) -> None:
    children = Children(tmp_path, "mute")  # so its successor never gets ready
    with running(children, 2, Patience(ready_s=PATIENCE_S * 10)) as supervisor:
        until(lambda: len(children.started(1)) == 1)
        supervisor.roll()
        until(lambda: len(children.started(1)) == 2)
    assert len(children.started(2)) == 1


def test_a_child_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    children = Children(tmp_path, "deaf")
    with running(children, 1, Patience(drain_s=0.1)) as supervisor:
        until(lambda: ready(supervisor))


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    children = Children(tmp_path / "children", "waits")
    (tmp_path / "children").mkdir()
    commands = [children.command(number) for number in (1, 2)]
    script = (
        f"from orchestrator.operations.supervisor import Supervisor; Supervisor(lambda n: {commands!r}[n - 1], 2).run()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as supervisor:
        until(lambda: children.started(1) and children.started(2))
        supervisor.kill()
    until(lambda: not children.alive())


def test_the_last_word_is_to_kill_every_child(tmp_path: Path) -> None:
    children = Children(tmp_path, "deaf")
    with running(children) as supervisor:
        until(lambda: ready(supervisor))
        supervisor.stop()
        supervisor.kill()
        until(lambda: not children.alive())


def test_a_command_that_cannot_be_started_is_tried_again() -> None:
    supervisor = Supervisor(lambda _: ["./no-such-program"], 1, QUICK)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    until(lambda: restarts(supervisor.reports()[0]) > 1)
    supervisor.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def restarts(report: Report) -> int:
    (value,) = [value for each in report.families for name, _, value in each.samples if "restarts" in name]
    return int(value)
