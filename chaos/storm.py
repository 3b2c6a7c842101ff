"""Breaks the city as it was planned, mends what is to be mended again, and starts what has ended by itself.

One thread does all of it: it is called often, and looks at what is due.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from chaos.city import City, Process
from chaos.plan import Deed, Fault, Kind, Target
from chaos.proxy import Proxy, Way

if TYPE_CHECKING:
    from orchestrator.local.server import LocalServer

POINT_S: Final = 20.0
"""How long a process may take to its crash point; then it is killed wherever it is."""
LEAVE_S: Final = 10.0
"""How long one that is asked to end may take."""
SUPERVISED_S: Final = 0.5
"""After which one that has ended by itself is started again."""
DELAY_PART: Final = 0.1
"""Of the seconds of a fault: how much later everything arrives."""
SIGKILLED: Final = 128 + 9


@dataclass(frozen=True, slots=True)
class Pending:
    """Something is broken; nothing else happens to it until ``mend`` was called."""

    what: str
    until_s: float
    mend: Callable[[], None]
    is_over: Callable[[], bool]
    """Whether it need not be waited for until then."""


@dataclass(slots=True)
class Tally:
    """What was done."""

    faults: Counter[Kind] = field(default_factory=Counter[Kind])
    kills: int = 0
    reached: Counter[str] = field(default_factory=Counter[str])
    """By crash point, how often a process was killed there."""
    missed: Counter[str] = field(default_factory=Counter[str])
    """By crash point, how often it was not reached in time."""
    ended: Counter[str] = field(default_factory=Counter[str])
    """By itself, because a server was away."""
    inexcusable: list[str] = field(default_factory=list[str])
    """What ended by itself as it must not."""


class Storm:
    """One run; ``step`` is called again and again, ``calm`` at the end."""

    def __init__(self, city: City, faults: Sequence[Fault], tell: Callable[[str], None]) -> None:
        self._city = city
        self._faults = faults
        self._tell = tell
        self._next = 0
        self._pending: list[Pending] = []
        self.tally = Tally()

    def allowed(self, total: int) -> int:
        """How many of ``total`` transfers must have ended before the next fault; ``total`` when all is mended again."""
        faults = len(self._faults)
        if self._next == faults and not self._pending:
            return total
        return total * min(self._next + 1, faults) // (faults + 1)

    def step(self, ended: int, total: int) -> None:
        """Do what is due when so many transfers of all have ended."""
        self._mend(time.monotonic())
        self._supervise()
        if self._next < len(self._faults) and ended >= self.allowed(total):
            fault = self._faults[self._next]
            if self._do(fault):
                self._next += 1
                self.tally.faults[fault.target, fault.deed] += 1

    def calm(self) -> None:
        """Mend everything now, and break nothing more; orchestrators and participant run then."""
        self._next = len(self._faults)
        while self._pending:
            self._mend(float("inf"))
        self._supervise()

    # ------------------------------------------------------------ what ends again

    def _mend(self, now_s: float) -> None:
        for each in list(self._pending):
            if each.is_over() or now_s >= each.until_s:
                self._pending.remove(each)
                each.mend()

    def _later(
        self, what: str, seconds: float, mend: Callable[[], None], is_over: Callable[[], bool] = lambda: False
    ) -> bool:
        self._pending.append(Pending(what, time.monotonic() + seconds, mend, is_over))
        return True

    def _is_busy(self, what: str) -> bool:
        return any(each.what == what for each in self._pending)

    def _supervise(self) -> None:
        for process in (*self._city.orchestrators, self._city.participant):
            status = process.status
            if status is None or self._is_busy(process.name):
                continue
            if status in process.excused:
                self.tally.ended[process.name.partition("-")[0]] += 1
            else:
                self.tally.inexcusable.append(f"{process.name} ended by itself with status {status}")
            process.end()
            self._later(process.name, SUPERVISED_S, process.start)

    # ------------------------------------------------------------ faults

    def _do(self, fault: Fault) -> bool:
        """Whether it was done: not yet, if its target is broken at the moment."""
        stack = self._city.system.stack
        match fault.target:
            case Target.ORCHESTRATOR:
                return self._hit_orchestrator(fault)
            case Target.PARTICIPANT:
                return not self._is_busy(self._city.participant.name) and self._hit(self._city.participant, fault)
            case Target.POSTGRES:
                return self._hit_server(stack.postgres, fault)
            case Target.KAFKA:
                return self._hit_server(stack.kafka_broker, fault)
            case Target.WAY_TO_POSTGRES:
                return self._hit_way(self._city.way_to_postgres, fault)
            case Target.WAY_TO_KAFKA:
                return self._hit_way(self._city.way_to_kafka, fault)
            case _:
                assert_never(fault.target)

    def _hit_orchestrator(self, fault: Fault) -> bool:
        slots = self._city.orchestrators
        if fault.deed is Deed.MOVED:
            return self._move(slots[-1])
        wanted = [*slots[fault.slot :], *slots[: fault.slot]]
        free = next((each for each in wanted if each.there and not self._is_busy(each.name)), None)
        return free is not None and self._hit(free, fault)

    def _move(self, process: Process) -> bool:
        if self._is_busy(process.name):
            return False
        if process.there:
            self._tell(f"{process.name} leaves")
            process.ask_to_end()
            return self._later(process.name, LEAVE_S, process.end, lambda: process.status is not None)
        process.start()
        self._tell(f"{process.name} joins as process {process.pid}")
        return True

    def _hit(self, process: Process, fault: Fault) -> bool:
        assert not self._is_busy(process.name)
        self._tell(f"{process.name} (process {process.pid}) {fault.deed.value}{_how(fault)}")
        match fault.deed:
            case Deed.KILLED:
                process.kill()
                self.tally.kills += 1
                return self._later(process.name, fault.seconds, process.start)
            case Deed.KILLED_AT_A_POINT:
                process.kill()
                self.tally.kills += 1
                return self._doom(process, fault)
            case Deed.STOPPED:
                process.pause()
                return self._later(process.name, fault.seconds, process.resume)
            case Deed.RESTARTED:
                process.ask_to_end()
                return self._later(process.name, LEAVE_S, process.start, lambda: process.status is not None)
            case _:
                raise AssertionError(fault)

    def _doom(self, process: Process, fault: Fault) -> bool:
        """Start it so that it dies at its crash point."""
        process.start(fault.crash_at)
        return self._later(
            process.name, POINT_S, lambda: self._succeed(process, fault), lambda: process.status is not None
        )

    def _succeed(self, process: Process, fault: Fault) -> None:
        """The doomed one is dead, or its time is over: it is killed wherever it is."""
        reached = process.status == SIGKILLED
        if process.status is not None and not reached:  # a server was away: it never ran
            self._doom(process, fault)
            return
        (self.tally.reached if reached else self.tally.missed)[fault.crash_at.partition(":")[0]] += 1
        self.tally.kills += 1
        process.start()

    def _hit_server(self, server: "LocalServer", fault: Fault) -> bool:
        if self._is_busy(server.name):
            return False
        self._tell(f"{server.name} {fault.deed.value}{_how(fault)}")
        match fault.deed:
            case Deed.KILLED:
                server.kill()
                self.tally.kills += 1
                return self._later(server.name, fault.seconds, server.restart)
            case Deed.STOPPED:
                server.pause()
                return self._later(server.name, fault.seconds, server.resume)
            case Deed.RESTARTED:
                server.restart()
                return True
            case _:
                raise AssertionError(fault)

    def _hit_way(self, way: Proxy, fault: Fault) -> bool:
        what = fault.target.value
        if self._is_busy(what):
            return False
        self._tell(f"{what} {fault.deed.value}{_how(fault)}")
        match fault.deed:
            case Deed.CUT:
                way.cut()
                return True
            case Deed.DELAYED:
                way.delay_s = fault.seconds * DELAY_PART
                return self._later(what, fault.seconds, lambda: setattr(way, "delay_s", 0.0))
            case Deed.HALF_OPEN:
                way.way = Way.SILENT
                return self._later(what, fault.seconds / 2, lambda: self._open(way, fault))
            case _:
                raise AssertionError(fault)

    def _open(self, way: Proxy, fault: Fault) -> None:
        """For new connections; those that were silent are cut later."""
        way.way = Way.OPEN
        self._later(fault.target.value, fault.seconds / 2, way.cut)


def _how(fault: Fault) -> str:
    if fault.crash_at:
        return f" {fault.crash_at}"
    return "" if fault.deed in (Deed.CUT, Deed.RESTARTED) else f", {fault.seconds:.1f} s"
