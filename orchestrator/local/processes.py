"""One server process of the local stack: started under a guardian, stopped, killed, paused.

Knows nothing about what the server is; `kafka.py` and `postgres.py` say that.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.errors import Unavailable
from orchestrator.local.guardian import POLL_SECONDS, family, is_alive, signal_all, wait_gone

GUARDIAN = Path(__file__).with_name("guardian.py")
# A server that has not ended after its polite signal is killed; both servers need about a second.
STOP_GRACE_SECONDS = 10.0
# After SIGKILL only the kernel is waited for.
KILL_GRACE_SECONDS = 10.0
LOG_LINES_IN_ERRORS = 15
# A process's start is computed from the time of the last boot, which moves when the clock is set.
SAME_START_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a server: its command line, where it runs and logs, the signal that ends it politely."""

    name: str
    line: Sequence[str]
    directory: Path
    log: Path
    stop_signal: signal.Signals
    # The user it must run as, when we are root and it refuses root.
    user: str | None = None

    @property
    def record(self) -> Path:
        """The file that names the processes of this server, for a later run to end them."""
        return self.directory / "processes.json"


class ServerProcess:
    """A server that ends when this process ends. Every method may be called in any state; none is thread-safe."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._guardian: subprocess.Popen[str] | None = None
        self.pid: int | None = None

    @property
    def running(self) -> bool:
        """Whether the server's process exists, paused ones included."""
        return self._guardian is not None and self._guardian.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of a server that has ended by itself, 128 + n when signal n ended it; None of others."""
        return None if self._guardian is None else self._guardian.poll()

    def start(self) -> None:
        """Start the server; it is not ready yet when this returns."""
        assert not self.running, f"{self._command.name} is already running"
        command = self._command
        how = [str(int(command.stop_signal)), str(STOP_GRACE_SECONDS), command.user or ""]
        with command.log.open("ab") as log:
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", str(GUARDIAN), *how, *command.line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=command.directory,
                # Ctrl-C in a terminal reaches us alone; we end the servers in order.
                start_new_session=True,
            )
        assert self._guardian.stdout is not None
        first_line = self._guardian.stdout.readline()
        if not first_line:
            self._reap()
            message = f"expected {command.name} to start, got no process:\n{self.log_tail()}"
            raise Unavailable(message)
        self.pid = int(first_line)
        with suppress(psutil.NoSuchProcess):
            _write(command.record, [self._guardian.pid, self.pid])

    def wait(self) -> int:
        """Wait until the server ends by itself, and give its exit status."""
        assert self._guardian is not None, "not started"
        status = self._guardian.wait()
        self._reap()
        return status

    def stop(self) -> None:
        """End the server politely, after a while by force; returns when all its processes are gone."""
        if self._guardian is None:
            return
        assert self._guardian.stdin is not None
        # The guardian may have died with the server: then there is nobody to tell.
        with suppress(BrokenPipeError):
            self._guardian.stdin.close()
        self._reap()

    def kill(self) -> None:
        """End the server and all its processes by SIGKILL, as a power cut would; returns when they are gone."""
        tree = self._tree()
        signal_all(tree, signal.SIGKILL)
        wait_gone(tree, KILL_GRACE_SECONDS)
        self.stop()

    def pause(self) -> None:
        """Stop all processes of the server with SIGSTOP; returns when all have stopped.

        Connections stay open, new ones are taken by the kernel, and nothing answers.
        """
        tree = self._tree()
        signal_all(tree, signal.SIGSTOP)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        while any(map(_goes_on, tree)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def resume(self) -> None:
        """Let a paused server go on."""
        signal_all(self._tree(), signal.SIGCONT)

    def require_running(self) -> None:
        """Raise `Unavailable` when the server has ended and we did not end it."""
        if self._guardian is not None and not self.running:
            message = (
                f"expected {self._command.name} to run until it is stopped, "
                f"got exit status {self._guardian.returncode}:\n{self.log_tail()}"
            )
            raise Unavailable(message)

    def log_tail(self) -> str:
        """The end of the server's log, for error texts."""
        lines = self._command.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"(from {self._command.log})", *lines[-LOG_LINES_IN_ERRORS:]])

    def _tree(self) -> list[psutil.Process]:
        if self.pid is None or not self.running:
            return []
        return family(self.pid)

    def _reap(self) -> None:
        assert self._guardian is not None
        self._guardian.wait()
        for pipe in (self._guardian.stdin, self._guardian.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._guardian = None
        self.pid = None
        self._command.record.unlink(missing_ok=True)


def _goes_on(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    return False


def end_left_over(command: Command) -> None:
    """End what a killed run of this command left behind, if it still runs.

    Mostly its guardian is about to end it, and is given time for it.
    """
    recorded = _read(command.record)
    trees = [member for process in recorded for member in family(process.pid)]
    if len(recorded) == 1:
        # The guardian was killed, too.
        signal_all(recorded, command.stop_signal)
    alive = wait_gone(trees, STOP_GRACE_SECONDS)
    signal_all(alive, signal.SIGKILL)
    alive = wait_gone(alive, KILL_GRACE_SECONDS)
    if alive:
        names = ", ".join(f"{process.pid} ({process.name()})" for process in alive)
        message = f"expected nothing to run in {command.directory}, got {names}, which SIGKILL does not end: end that"
        raise Unavailable(message)
    command.record.unlink(missing_ok=True)


def _write(record: Path, pids: Iterable[int]) -> None:
    processes = [{"pid": pid, "created": psutil.Process(pid).create_time()} for pid in pids]
    record.write_text(json.dumps(processes), encoding="utf-8")


def _read(record: Path) -> list[psutil.Process]:
    """Read the recorded processes that still run; a process that only has the same id is none of them."""
    try:
        written = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        # Killed while it was being written: its process is in the guardian's care.
        return []
    found: list[psutil.Process] = []
    for entry in written:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(entry["pid"])
            if is_alive(process) and abs(process.create_time() - entry["created"]) < SAME_START_SECONDS:
                found.append(process)
    return found
