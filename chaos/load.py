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
"""How often it is looked whether a start could not be sent."""
DOUBT_S: Final = 15.0
"""How long a start that could not be sent in time may turn out to be made nevertheless."""


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
        self._unsent: dict[str, float] = {}
        """Starts of which the client says that Kafka did not take them, and since when."""
        self._looked_s = self._moved_s = time.monotonic()
        self.started = 0
        self.ended = 0

    @property
    def unsent(self) -> frozenset[str]:
        """Those that Kafka did not take in time; started again they would be asked for twice, which an audit minds."""
        until_s = time.monotonic() - DOUBT_S
        return frozenset(name for name, since_s in list(self._unsent.items()) if since_s < until_s)

    @property
    def done(self) -> int:
        """How many have ended, or will never begin."""
        return self.ended + len(self.unsent)

    @property
    def in_flight(self) -> int:
        """How many others were started."""
        return self.started - self.done

    @property
    def idle_s(self) -> float:
        """How long ago the last one ended, or the first one began."""
        return time.monotonic() - self._moved_s

    def fill(self, allowed: int) -> None:
        """Start as many as there is room for, and ``allowed`` in all."""
        while self.started < min(allowed, len(self._names)) and self.in_flight < self._window:
            name = self._names[self.started]
            self.started += 1
            handle = self._client.submit(money_transfer, self._orders[name].transfer, id=name)
            self._open[name] = handle
            handle.add_done_callback(self._has_ended)
        if time.monotonic() - self._looked_s > LOOK_S:
            self._looked_s = time.monotonic()
            self.look()

    def look(self) -> None:
        """See which starts could not be sent; ``fill`` does it now and then."""
        with self._changed:
            unsent = [name for name, handle in self._open.items() if _is_unsent(handle)]
            self._unsent = {name: self._unsent.get(name, time.monotonic()) for name in unsent}

    def wait(self, seconds: float) -> None:
        """Return when one has ended, or after so long."""
        with self._changed:
            self._changed.wait(seconds)

    def _has_ended(self, handle: Handle[Receipt]) -> None:
        with self._changed:
            del self._open[handle.id]
            self._unsent.pop(handle.id, None)
            self.ended += 1
            self._moved_s = time.monotonic()
            self._changed.notify()


def _is_unsent(handle: Handle[Receipt]) -> bool:
    with suppress(OutcomeTimeout):
        try:
            handle.answered(0)
        except Unavailable:
            return True
    return False
