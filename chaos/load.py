"""Transfers, as many in flight as the window has room for, until all have ended."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from demo.accounts import Order
from examples.money_transfer.saga import Receipt, money_transfer
from orchestrator.client.client import Client
from orchestrator.client.handle import Handle
from orchestrator.errors import OutcomeTimeout, Unavailable

WINDOW: Final = 64
"""Transfers in flight at most, unless told otherwise."""
LOOK_S: Final = 1.0
"""How often it is looked whether Kafka refused a start."""


class Load:
    """Outcomes are counted in a thread of the client, everything else happens in the caller's."""

    def __init__(self, client: Client, orders: Mapping[str, Order], window: int = WINDOW) -> None:
        """``orders`` by the ids that the sagas get; starts none yet."""
        self._client = client
        self._orders = orders
        self._names = list(orders)
        self._window = window
        self._changed = threading.Condition()
        self._open: dict[str, Handle[Receipt]] = {}
        self._looked_s = self._moved_s = time.monotonic()
        self.started = 0
        self.ended = 0

    @property
    def in_flight(self) -> int:
        """How many were started and have not ended."""
        return self.started - self.ended

    @property
    def idle_s(self) -> float:
        """How long ago the last one ended, or the first one began."""
        return time.monotonic() - self._moved_s

    def fill(self, allowed: int) -> None:
        """Start as many as there is room for, and ``allowed`` in all; start again what Kafka did not take."""
        while self.started < min(allowed, len(self._names)) and self.in_flight < self._window:
            name = self._names[self.started]
            self.started += 1
            self._start(name)
        if time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s = time.monotonic()
            for name, handle in list(self._open.items()):
                if _was_refused(handle):
                    self._start(name)

    def wait(self, seconds: float) -> None:
        """Return when one has ended, or after so long."""
        with self._changed:
            self._changed.wait(seconds)

    def _start(self, name: str) -> None:
        handle = self._client.submit(money_transfer, self._orders[name].transfer, id=name)
        self._open[name] = handle
        handle.add_done_callback(self._has_ended)

    def _has_ended(self, handle: Handle[Receipt]) -> None:
        with self._changed:
            if self._open.pop(handle.id, None) is not None:
                self.ended += 1
                self._moved_s = time.monotonic()
                self._changed.notify()


def _was_refused(handle: Handle[Receipt]) -> bool:
    with suppress(OutcomeTimeout):
        try:
            handle.answered(0)
        except Unavailable:
            return True
    return False
