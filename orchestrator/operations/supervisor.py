"""`saga run --processes N`: keeps N children running, each of them a member of the consumer group of its own.

It holds no shard and knows no server. A child that ends unasked is started again, after a pause that doubles while it
does not last. The children hold the shards' data in Kafka and Postgres only, so nothing is lost with one of them.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from queue import SimpleQueue
from typing import Final

from orchestrator.operations.report import GAUGE, Family, Report, counts, loads, merged
from orchestrator.telemetry import logger

STARTING: Final = "it has just been started"
_log = logger("supervisor")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits."""

    pause_s: float = 0.5
    """Before a child that ended unasked is started again; doubled each time, unless it lasted for ``lasting_s``."""
    pause_max_s: float = 30.0
    lasting_s: float = 60.0
    drain_s: float = 30.0
    """For a child to end that was asked to; then it is killed. It waits up to 10 s for Kafka itself."""
    ready_s: float = 60.0
    """For a child that was restarted to own its share, before the next one is."""
    silent_s: float = 10.0
    """For a child's report, which comes each second: after it the child is stopped, or stuck as a whole."""


DEFAULT_PATIENCE: Final = Patience()


class _Slot:
    """One child after the other, and the thread that looks after it."""

    def __init__(self, number: int, command: Sequence[str], patience: Patience) -> None:
        self.number = number
        self._command = command
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._report = Report(number, (), (STARTING,))
        self._heard_s = 0.0
        """When the present child was started, or reported last."""
        self._ended: tuple[Family, ...] = ()
        """What the children before it had counted."""
        self._restarts = 0
        self._asked = False
        """Whether the present child was asked to end."""
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._look_after, name=f"process-{number}", daemon=True)

    def _look_after(self) -> None:
        patience = self._patience
        pause_s = patience.pause_s
        while not self._stopping.is_set():
            began_s = time.monotonic()
            status, asked = self._run_one()
            if self._stopping.is_set():
                return
            self._restarts += 1
            if asked:
                pause_s = patience.pause_s
                continue
            if time.monotonic() - began_s > patience.lasting_s:
                pause_s = patience.pause_s
            _log.warning("a process ended, it is started again", process=self.number, status=status, pause_s=pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, patience.pause_max_s)

    def _run_one(self) -> tuple[int, bool]:
        """Start a child and read what it reports until it ends; gives its status, and whether it was asked to end."""
        with self._lock:
            if self._stopping.is_set():
                return 0, True
            self._asked = False
            self._report = Report(self.number, (), (STARTING,))
            self._heard_s = time.monotonic()
            try:
                # A group of its own: Ctrl-C on the terminal is for the supervisor, which asks each child once.
                process = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
                )
            except OSError as error:  # no memory, no more processes: it may be there later
                _log.warning("a process cannot be started", process=self.number, text=str(error))
                return error.errno or 1, False
            self._process = process
        _log.info("process started", process=self.number, pid=process.pid)
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self._take(line)
            status = process.wait()
        with self._lock:
            self._process = None
            self._ended = merged([*self._ended, *counts(self._report.families)])
            self._report = Report(self.number, (), ("it ended, and is started again",))
            return status, self._asked

    def _take(self, line: bytes) -> None:
        try:
            report = loads(line.decode(errors="replace"))
        except ValueError:  # killed within a line
            return
        with self._lock:
            self._report, self._heard_s = report, time.monotonic()
            if not report.unready and not self._asked:
                self._ready.set()

    def report(self) -> Report:
        """What is known of the present child, with the counts of all before it."""
        with self._lock:
            known, running = self._report, self._process is not None
            families = (*merged([*self._ended, *known.families]), *self._own_families(running))
            silent_s = time.monotonic() - self._heard_s if running else 0.0
        silent = (f"it has not reported for {silent_s:.0f} s",) if silent_s > self._patience.silent_s else ()
        return replace(known, unhealthy=(*known.unhealthy, *silent), families=families)

    def _own_families(self, running: bool) -> tuple[Family, Family]:  # noqa: FBT001 - read under the lock
        labels = (("process", str(self.number)),)
        return (
            Family("saga_process_up", GAUGE, "1: the process runs.", (("saga_process_up", labels, float(running)),)),
            Family(
                "saga_process_restarts",
                "counter",
                "How often the process was started again.",
                (("saga_process_restarts_total", labels, float(self._restarts)),),
            ),
        )

    def restart(self) -> bool:
        """Let the child finish what is begun, and start another one; whether that owns its share in time."""
        with self._lock:
            process = self._process
            self._ready.clear()
            self._ask(process)
        if process is not None:
            try:
                process.wait(self._patience.drain_s)
            except subprocess.TimeoutExpired:
                _log.warning("a process does not end, it is killed", process=self.number)
                process.kill()
        return self._ready.wait(self._patience.ready_s) and not self._stopping.is_set()

    def stop(self) -> None:
        """Ask the child to end, and start no other."""
        self._stopping.set()
        with self._lock:
            self._ask(self._process)
            self._ready.set()  # whoever waits for it need not wait longer

    def _ask(self, process: "subprocess.Popen[bytes] | None") -> None:
        if process is not None:
            self._asked = True
            process.terminate()

    def join(self) -> None:
        """Wait for the child to end, and kill it when that takes too long."""
        self.thread.join(self._patience.drain_s)
        if self.thread.is_alive():
            _log.warning("a process does not end, it is killed", process=self.number)
            self.kill()
            self.thread.join()

    def kill(self) -> None:
        """End the child at once; a signal handler may call it, since it takes no lock."""
        process = self._process
        if process is not None:
            process.kill()


class _Order(Enum):
    """What a supervisor is told."""

    STOP = "stop"
    ROLL = "roll"


class Supervisor:
    """Runs ``processes`` children until it is told to stop; see the module. ``command`` makes the n-th one, from 1."""

    def __init__(
        self, command: Callable[[int], Sequence[str]], processes: int, patience: Patience = DEFAULT_PATIENCE
    ) -> None:
        self._slots = [_Slot(number, command(number), patience) for number in range(1, processes + 1)]
        self._orders = SimpleQueue[_Order]()  # its put() may interrupt its get(), in a signal handler

    def stop(self) -> None:
        """Let every child finish what is begun, and end; a signal handler may call it."""
        self._orders.put(_Order.STOP)

    def roll(self) -> None:
        """Restart the children one after the other; a signal handler may call it."""
        self._orders.put(_Order.ROLL)

    def kill(self) -> None:
        """End every child at once; nothing is lost by it. A signal handler may call it."""
        for slot in self._slots:
            slot.kill()

    def run(self) -> None:
        """Keep the children running until ``stop``."""
        for slot in self._slots:
            slot.thread.start()
        rolling = threading.Thread(target=self._restart_each, name="rolling")
        while self._orders.get() is not _Order.STOP:
            if not rolling.is_alive():
                rolling = threading.Thread(target=self._restart_each, name="rolling")
                rolling.start()
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            slot.join()
        if rolling.ident is not None:
            rolling.join()
        _log.info("stopped")

    def _restart_each(self) -> None:
        for slot in self._slots:
            if not slot.restart():
                _log.warning("a restarted process is not ready, the others stay as they are", process=slot.number)
                return
        _log.info("every process was restarted")

    def reports(self) -> Sequence[Report]:
        """One for each child; called from any thread."""
        return [slot.report() for slot in self._slots]
