"""The load: transfers one at a time, as many as go, or at a given rate; each ends with latencies in ms.

The driver is this process, with the client that users have; its cost is part of what is measured.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from bench.bank import CLOSED
from examples.money_transfer.saga import Receipt, Transfer, money_transfer
from orchestrator import Client, Compensated, Handle

REFUND_EVERY: Final = 10
"""Every tenth transfer goes to a closed account: withdrawn, not deposited, refunded."""
ACCOUNTS: Final = 1_000
OUTCOME_S: Final = 60.0
"""How long nothing may end before the load is given up."""
LOOK_S: Final = 0.5
"""How often it is looked how far the load is."""
PACE_S: Final = 0.001
"""The driver sleeps no shorter: at 1,000/s one transfer is due in each."""


@dataclass(slots=True)
class Served:
    """What one load gave."""

    seconds: float
    """From the first start to the last outcome."""
    latencies_ms: list[float]
    """Sorted."""
    compensated: int

    @property
    def per_second(self) -> float:
        """Outcomes a second."""
        return len(self.latencies_ms) / self.seconds

    def quantile_ms(self, part: float) -> float:
        """As ``part`` of all latencies are at most."""
        return round(self.latencies_ms[min(int(len(self.latencies_ms) * part), len(self.latencies_ms) - 1)], 2)


def transfer(number: int) -> Transfer:
    """One of the transfers, the same in every run."""
    target = CLOSED if number % REFUND_EVERY == 0 else "account"
    return Transfer(
        source=f"account-{number % ACCOUNTS:04}",
        target=f"{target}-{(number * 7 + 1) % ACCOUNTS:04}",
        amount=Decimal(number % 100_00 + 1) / 100,
    )


def one_at_a_time(client: Client, count: int) -> Served:
    """Each is started when the one before has ended; from ``client.start`` to its outcome."""
    latencies: list[float] = []
    compensated = 0
    began = time.perf_counter()
    for number in range(1, count + 1):
        started = time.perf_counter()
        handle = client.start(money_transfer, transfer(number))
        try:
            handle.outcome(OUTCOME_S)
        except Compensated:
            compensated += 1
        latencies.append((time.perf_counter() - started) * 1000)
    return Served(time.perf_counter() - began, sorted(latencies), compensated)


def as_many_as_go(client: Client, count: int, window: int, look: Callable[[int], None]) -> Served:
    """``window`` transfers are in flight at any moment.

    ``look`` is called with the number of outcomes now and then, from this thread; what it raises ends the load.
    """
    return _Crowd(client, look).serve(count, window, None)


def at_rate(client: Client, count: int, per_second: float, look: Callable[[int], None]) -> Served:
    """Started at an even pace whatever happens to those before; measured from when each *should* have started.

    So a stall counts for all that had to wait for it: nothing is left out by coordination (coordinated omission).
    """
    return _Crowd(client, look).serve(count, count, per_second)


class _Flight:
    """A transfer in flight: when it should have started, and when it has ended, in seconds of ``perf_counter``."""

    __slots__ = ("due", "ended", "handle")

    def __init__(self, due: float, handle: Handle[Receipt]) -> None:
        self.due = due
        self.ended = 0.0
        self.handle = handle

    def compensated(self) -> bool:
        """Whether it was refunded; raises what else an outcome raises."""
        try:
            self.handle.outcome(0)
        except Compensated:
            return True
        return False


class _Crowd:
    """Many transfers in flight; their ends are noted in the client's thread, their outcomes are asked for in this."""

    def __init__(self, client: Client, look: Callable[[int], None]) -> None:
        self._client = client
        self._look = look
        self._looked_s = 0.0
        self._flying: set[_Flight] = set()
        """Held, for the client forgets what nobody holds."""
        self._landed: SimpleQueue[_Flight] = SimpleQueue()
        self._latencies_ms: list[float] = []
        self._compensated = 0
        self._last_s = 0.0

    def serve(self, count: int, window: int, per_second: float | None) -> Served:
        began = time.perf_counter()
        for number in range(1, count + 1):
            if number > window:
                self._land()
            self._start(number, None if per_second is None else began + (number - 1) / per_second)
        while len(self._latencies_ms) < count:
            self._land()
        return Served(self._last_s - began, sorted(self._latencies_ms), self._compensated)

    def _land(self) -> None:
        """Wait until one more has ended. Raises ``SystemExit`` when nothing ends any more."""
        until = time.perf_counter() + OUTCOME_S
        while True:
            try:
                flight = self._landed.get(timeout=LOOK_S)
            except Empty:
                self._look_now_and_then()
                if time.perf_counter() > until:
                    done = len(self._latencies_ms)
                    raise SystemExit(f"expected an outcome within {OUTCOME_S:.0f} s, got none after {done}") from None
            else:
                break
        self._flying.remove(flight)
        self._last_s = max(self._last_s, flight.ended)
        self._latencies_ms.append((flight.ended - flight.due) * 1000)
        self._compensated += flight.compensated()

    def _look_now_and_then(self) -> None:
        now = time.perf_counter()
        if now - self._looked_s > LOOK_S:
            self._looked_s = now
            self._look(len(self._latencies_ms))

    def _start(self, number: int, due: float | None) -> None:
        while due is not None and (early := due - time.perf_counter()) > 0:
            time.sleep(max(early, PACE_S))
        self._look_now_and_then()
        started = time.perf_counter()
        handle = self._client.submit(money_transfer, transfer(number))
        flight = _Flight(started if due is None else due, handle)
        self._flying.add(flight)
        handle.add_done_callback(partial(self._end, flight))

    def _end(self, flight: _Flight, _: Handle[Receipt]) -> None:
        flight.ended = time.perf_counter()
        self._landed.put(flight)
