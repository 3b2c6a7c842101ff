"""A server of the local stack as its users see it: started on a free or a wished port, killed, paused, restarted.

Knows nothing of what the server is: `kafka.py` and `postgres.py` say how it is prepared, started and known to answer.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from orchestrator.errors import Unavailable
from orchestrator.local.ports import HOST, free_port, require_free
from orchestrator.local.processes import Command, ServerProcess, end_left_over

ATTEMPTS: Final = 5
"""Somebody may take the port between our look and the server's start."""


class LocalServer(ABC):
    """One server over a directory that outlives it; its address stays the same from one start to the next."""

    name: ClassVar[str]
    start_s: ClassVar[float]
    """How long it may take until it answers."""
    worth_another_attempt: ClassVar[Sequence[str]] = ("Address already in use",)
    """What its log says after a start that may well succeed when it is repeated."""

    def __init__(self, directory: Path, port: int | None) -> None:
        """Takes values and starts nothing.

        `port` None: the port of the last run in this directory when it is free, else any free one.
        """
        self.port = 0
        self._directory = directory
        self._requested_port = port
        self._process: ServerProcess | None = None

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._directory / "log"

    @property
    def pid(self) -> int | None:
        """The process id of the server; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers; raises `ConfigError` (port taken) or `Unavailable`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        end_left_over(self._command())
        self._prepare()
        for attempt in range(1, ATTEMPTS + 1):
            self.port = self._choose_port()
            process = self._process = ServerProcess(self._command())
            process.start()
            if self._answers(process):
                self._last_port.write_text(str(self.port), encoding="utf-8")
                return
            process.kill()
            tail = process.log_tail()
            if attempt == ATTEMPTS or not any(text in tail for text in self.worth_another_attempt):
                raise Unavailable(
                    f"expected {self.name} to answer on {HOST}:{self.port} within {self.start_s:.0f} s, got:\n{tail}"
                )

    def stop(self) -> None:
        """Stop the server politely; the data stays. Does nothing when it does not run."""
        if self._process is not None:
            self._process.stop()

    def restart(self) -> None:
        """Start again on the same address, after `kill` or as a polite restart."""
        self.stop()
        self._requested_port = self.port
        self.start()

    def kill(self) -> None:
        """End all processes of the server by SIGKILL, as a power cut would."""
        self._started().kill()

    def pause(self) -> None:
        """Stop all processes with SIGSTOP: connections stay open and nothing answers, until `resume`."""
        self._started().pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self._started().resume()

    def require_running(self) -> None:
        """Raise `Unavailable`, with the end of its log, when the server has ended that we did not end."""
        self._started().require_running()

    @abstractmethod
    def _prepare(self) -> None:
        """Make its data directory, whole or not at all, when there is none."""

    @abstractmethod
    def _command(self) -> Command:
        """How it is started on `port`."""

    @abstractmethod
    def _answers(self, process: ServerProcess) -> bool:
        """Wait until it serves; False when it ended, or did not come up in `start_s`."""

    @property
    def _last_port(self) -> Path:
        return self._directory / "port"

    def _choose_port(self) -> int:
        if self._requested_port is not None:
            return require_free(self._requested_port, self.name)
        last = self._last_port
        return free_port(int(last.read_text(encoding="utf-8")) if last.exists() else None)

    def _started(self) -> ServerProcess:
        assert self._process is not None, f"{self.name} is not started"
        return self._process
