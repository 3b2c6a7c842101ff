"""The load: transfers one at a time, as many as go, or at a given rate; each ends with latencies in ms.

The driver is this process, with the client that users have; its cost is part of what is measured.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
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


class _Crowd:
    """Many transfers in flight; outcomes are taken in the client's thread."""

    def __init__(self, client: Client, look: Callable[[int], None]) -> None:
        self._client = client
        self._look = look
        self._looked_s = 0.0
        self._handles: list[Handle[Receipt]] = []
        self._due: dict[str, float] = {}
        self._ended: list[tuple[str, float]] = []
        self._room = threading.Semaphore(0)

    def serve(self, count: int, window: int, per_second: float | None) -> Served:
        self._room = threading.Semaphore(window)
        began = time.perf_counter()
        for number in range(1, count + 1):
            self._take_room()
            self._start(number, None if per_second is None else began + (number - 1) / per_second)
        for _ in range(window):
            self._take_room()
        latencies = sorted((ended - self._due[name]) * 1000 for name, ended in self._ended)
        return Served(max(ended for _, ended in self._ended) - began, latencies, _compensated(self._handles))

    def _take_room(self) -> None:
        """Wait until fewer than the window are in flight. Raises ``SystemExit`` when nothing ends any more."""
        until = time.perf_counter() + OUTCOME_S
        while not self._room.acquire(timeout=LOOK_S):
            self._look(len(self._ended))
            if time.perf_counter() > until:
                raise SystemExit(f"expected an outcome within {OUTCOME_S:.0f} s, got none after {len(self._ended)}")
        if time.perf_counter() - self._looked_s > LOOK_S:
            self._looked_s = time.perf_counter()
            self._look(len(self._ended))

    def _start(self, number: int, due: float | None) -> None:
        while due is not None and (early := due - time.perf_counter()) > 0:
            time.sleep(max(early, PACE_S))
        started = time.perf_counter()
        handle = self._client.submit(money_transfer, transfer(number))
        self._due[handle.id] = started if due is None else due
        self._handles.append(handle)
        handle.add_done_callback(self._end)

    def _end(self, handle: Handle[Receipt]) -> None:
        self._ended.append((handle.id, time.perf_counter()))
        self._room.release()


def _compensated(handles: Iterable[Handle[Receipt]]) -> int:
    """How many were refunded; raises what else an outcome raises."""
    count = 0
    for handle in handles:
        count += 1
        with suppress(Compensated):
            handle.outcome(0)
            count -= 1
    return count
