"""Makes the transfers, at an even pace and without waiting for their outcomes; kills the orchestrator in the middle."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from demo.accounts import Order
from examples.money_transfer.saga import Receipt, money_transfer
from orchestrator.client.client import Client
from orchestrator.client.handle import Handle
from orchestrator.errors import OutcomeTimeout

BURST: Final = 25
"""Transfers started together. One by one, at 100/s, only about three would be in flight at any moment."""
IN_FLIGHT_MIN: Final = 10
"""So many must be in flight for the kill to be worth something."""
LOOK_S: Final = 0.001
LAST_OUTCOME_S: Final = 60.0
"""How long the outcomes may take to come once the last transfer was started."""


@dataclass(slots=True)
class Ride:
    """What happened, in seconds since the first transfer."""

    started_s: dict[str, float] = field(default_factory=dict[str, float])
    ended_s: dict[str, float] = field(default_factory=dict[str, float])
    killed_s: float | None = None
    outcomes_at_kill: int = 0
    in_flight_at_kill: int = 0
    """Transfers that the orchestrator had accepted and not ended, as far as anyone outside could see."""

    @property
    def latencies_ms(self) -> list[float]:
        """From start to outcome, of those that ended; sorted."""
        return sorted((ended - self.started_s[name]) * 1000 for name, ended in self.ended_s.items())

    @property
    def per_second(self) -> float:
        """Outcomes a second, from the first start to the last outcome."""
        return len(self.ended_s) / max(self.ended_s.values(), default=1.0)

    @property
    def pause_s(self) -> float:
        """The longest time without an outcome that began with the kill, or after it."""
        if self.killed_s is None:
            return 0.0
        after = sorted(ended for ended in self.ended_s.values() if ended >= self.killed_s)
        return max((later - ended for ended, later in pairwise([self.killed_s, *after])), default=0.0)


class Drive:
    """One ride; the outcomes are counted in the client's thread, everything else happens in the caller's."""

    def __init__(self, client: Client, orders: Mapping[str, Order], rate: float) -> None:
        """``orders`` by the ids that the sagas get; ``rate`` is in transfers a second."""
        self._client = client
        self._orders = orders
        self._rate = rate
        self._begun = 0.0
        self._open: dict[str, Handle[Receipt]] = {}
        self._changed = threading.Condition()
        self.ride = Ride()

    def run(self, kill: Callable[[int], None], tell: Callable[[int, int], None]) -> Ride:
        """Make all transfers and wait for their outcomes.

        ``kill`` is called once, with the number in flight, at the first moment from half of the outcomes on at which
        enough transfers are in flight; ``tell`` now and then, with the numbers of outcomes and of transfers in flight.
        Returns when all have ended, or when no more do.
        """
        self._client.handle(money_transfer, "")  # connects, so that the first transfer does not wait for it
        self._begun = time.perf_counter()
        names = list(self._orders)
        for first in range(0, len(names), BURST):
            self._wait_until(first / self._rate, kill, tell)
            for name in names[first : first + BURST]:
                self._start(name)
        self._wait_until(len(names) / self._rate + LAST_OUTCOME_S, kill, tell)
        return self.ride

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    def _start(self, name: str) -> None:
        self.ride.started_s[name] = self._now()
        handle = self._client.submit(money_transfer, self._orders[name].transfer, id=name)
        self._open[name] = handle
        handle.add_done_callback(self._ended)

    def _ended(self, handle: Handle[Receipt]) -> None:
        with self._changed:
            self.ride.ended_s[handle.id] = self._now()
            self._changed.notify()

    def _wait_until(self, moment_s: float, kill: Callable[[int], None], tell: Callable[[int, int], None]) -> None:
        ride = self.ride
        while (left := moment_s - self._now()) > 0 and len(ride.ended_s) < len(self._orders):
            with self._changed:
                # Answers to starts come without a call: near the kill they are looked for.
                self._changed.wait(min(left, LOOK_S if ride.killed_s is None else 0.1))
            tell(len(ride.ended_s), len(ride.started_s) - len(ride.ended_s))
            if ride.killed_s is None and len(ride.ended_s) * 2 >= len(self._orders):
                self._kill_if_busy(kill)

    def _kill_if_busy(self, kill: Callable[[int], None]) -> None:
        for name in [name for name, handle in self._open.items() if handle.done()]:
            del self._open[name]
        in_flight = sum(map(_is_accepted, self._open.values()))
        if in_flight < IN_FLIGHT_MIN:
            return
        ride = self.ride
        ride.killed_s, ride.outcomes_at_kill, ride.in_flight_at_kill = self._now(), len(ride.ended_s), in_flight
        kill(in_flight)


def _is_accepted(handle: Handle[Receipt]) -> bool:
    if handle.done():
        return False
    try:
        handle.answered(0)
    except OutcomeTimeout:
        return False
    return True
