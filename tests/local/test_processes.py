"""A server process and its guardian, with small Python programs in place of servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import Unavailable
from orchestrator.local import processes
from orchestrator.local.guardian import family, signal_all, wait_gone
from orchestrator.local.processes import Command, ServerProcess, end_left_over

pytestmark = pytest.mark.slow
SECONDS = 20
# A program says that it is up by writing into a named pipe of its directory.
UP = "open('up', 'w').close()"
WAIT = f"import signal; {UP}; signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {UP}; signal.pause()"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WAIT!r}]); import signal; signal.pause()"
POLITE = f"import signal; signal.signal(signal.SIGTERM, lambda *_: print('bye', flush=True)); {UP}; signal.pause()"


def command(directory: Path, program: str) -> Command:
    return Command(
        name="the server",
        line=[sys.executable, "-c", program],
        directory=directory,
        log=directory / "log",
        stop_signal=signal.SIGTERM,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "up")
    return tmp_path


@pytest.fixture
def started() -> Generator[list[ServerProcess]]:
    servers: list[ServerProcess] = []
    yield servers
    for server in servers:
        server.kill()


def start(directory: Path, program: str, started: list[ServerProcess]) -> tuple[ServerProcess, list[psutil.Process]]:
    """Start a program, wait until it is up, and give it with its processes."""
    server = ServerProcess(command(directory, program))
    started.append(server)
    server.start()
    (directory / "up").read_text()
    assert server.pid is not None
    return server, family(server.pid)


def test_stop_sends_the_polite_signal_and_waits(directory: Path, started: list[ServerProcess]) -> None:
    server, tree = start(directory, POLITE, started)
    server.stop()
    assert wait_gone(tree, 0) == []
    assert not server.running
    assert (directory / "log").read_text() == "bye\n"


def test_a_server_that_ignores_the_polite_signal_is_killed_after_the_grace(
    directory: Path, started: list[ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_GRACE_SECONDS", 0.2)
    server, tree = start(directory, STUBBORN, started)
    server.stop()
    assert wait_gone(tree, 0) == []


def test_kill_ends_everything_the_server_started(directory: Path, started: list[ServerProcess]) -> None:
    server, tree = start(directory, PARENT, started)
    assert len(tree) == 2
    server.kill()
    assert wait_gone(tree, 0) == []
    assert not server.running


def test_pause_stops_everything_and_resume_lets_it_go_on(directory: Path, started: list[ServerProcess]) -> None:
    server, tree = start(directory, PARENT, started)
    server.pause()
    assert [process.status() for process in tree] == [psutil.STATUS_STOPPED] * 2
    server.resume()
    assert psutil.STATUS_STOPPED not in [process.status() for process in tree]
    assert server.running


def test_a_paused_server_can_be_stopped_politely(directory: Path, started: list[ServerProcess]) -> None:
    server, tree = start(directory, POLITE, started)
    server.pause()
    server.stop()
    assert wait_gone(tree, 0) == []
    assert (directory / "log").read_text() == "bye\n"


def test_a_server_that_ends_by_itself_is_reported_with_its_status_and_its_log(
    directory: Path, started: list[ServerProcess]
) -> None:
    children = set(psutil.Process().children())
    server, _ = start(directory, f"{UP}; raise SystemExit('it broke')", started)
    guardian = [process for process in psutil.Process().children() if process not in children]
    wait_gone(guardian, SECONDS)
    with pytest.raises(Unavailable, match=r"(?s)expected the server to run .* got exit status 1:.*it broke"):
        server.require_running()


def test_a_command_that_ends_by_itself_gives_its_status(directory: Path, started: list[ServerProcess]) -> None:
    server, _ = start(directory, f"{UP}; raise SystemExit(3)", started)
    assert server.wait() == 3
    server.require_running()


def test_a_server_that_was_stopped_is_not_missed(directory: Path, started: list[ServerProcess]) -> None:
    server, _ = start(directory, WAIT, started)
    server.require_running()
    server.stop()
    server.require_running()


# What starts a server and then dies itself; `fork` keeps our end of the guardian's pipe open beyond our death.
OWNER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.local.test_processes import command
from orchestrator.local.processes import ServerProcess
directory = Path({directory!r})
server = ServerProcess(command(directory, {program!r}))
server.start()
(directory / "up").read_text()
{then}
signal.pause()
"""


def own(directory: Path, then: str) -> tuple["subprocess.Popen[bytes]", list[psutil.Process]]:
    """Start a process that has a server, and give both once the server is up."""
    text = OWNER.format(root=str(Path.cwd()), directory=str(directory), program=POLITE, then=then)
    os.mkfifo(directory / "ready")
    owner = subprocess.Popen([sys.executable, "-c", text])
    (directory / "ready").read_text()
    recorded = json.loads((directory / "processes.json").read_text())
    return owner, [psutil.Process(entry["pid"]) for entry in recorded]


READY = "(directory / 'ready').write_text('')"
FORK = "os.fork() or signal.pause()"


@pytest.mark.parametrize("then", [READY, f"{FORK}; {READY}"], ids=["alone", "with a forked child"])
def test_a_server_ends_when_its_owner_is_killed(directory: Path, then: str) -> None:
    owner, recorded = own(directory, then)
    with owner:
        children = family(owner.pid)[1:]
        owner.kill()
    assert wait_gone(recorded, SECONDS) == []
    signal_all(children, signal.SIGKILL)


def test_a_server_whose_guardian_was_killed_too_is_ended_by_the_next_run(directory: Path) -> None:
    owner, recorded = own(directory, READY)
    with owner:
        owner.send_signal(signal.SIGSTOP)
        guardian, server = recorded
        guardian.kill()
        owner.kill()
    assert server.is_running()
    end_left_over(command(directory, WAIT))
    assert wait_gone(recorded, 0) == []
    assert (directory / "log").read_text() == "bye\n"
    assert not (directory / "processes.json").exists()


def test_a_stranger_that_got_the_recorded_id_is_left_alone(directory: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WAIT], cwd=directory) as stranger:
        (directory / "up").read_text()
        created = psutil.Process(stranger.pid).create_time() - 60
        record = directory / "processes.json"
        record.write_text(json.dumps([{"pid": stranger.pid, "created": created}]))
        end_left_over(command(directory, WAIT))
        assert stranger.poll() is None
        stranger.kill()
