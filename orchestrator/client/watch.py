"""What is waited for, by saga: answers to requests, and how the saga ended. Thread-safe, and bounded by who waits.

Whoever waits holds the ``Watch``; the ``Watches`` hold it weakly, so what nobody waits for any more is gone.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final
from weakref import WeakValueDictionary

from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.wire.outcome import Outcome, RequestAnswered, SagaEnded

NEXT_LOOK_S: Final = 3600.0
"""Python cannot wait for infinity at once."""


class Watch:
    """One saga, as far as this process knows. Small and quickly made, for there are as many as sagas in flight."""

    __slots__ = ("__weakref__", "_callbacks", "_changed", "_failure", "_lock", "_told", "answers", "ended", "saga_id")

    def __init__(self, saga_id: str, lock: threading.RLock) -> None:
        self.saga_id = saga_id
        self.answers: dict[str, RequestAnswered | OrchestratorError] = {}
        """By request; an error when the request could not be sent."""
        self.ended: SagaEnded | None = None
        self._lock = lock
        self._changed: threading.Condition | None = None
        """Made by the first who waits: where there are callbacks nobody does."""
        self._callbacks: tuple[Callable[[], None], ...] = ()
        self._told: tuple[Callable[[], None], ...] = ()
        """Who waits without a thread: told of every change."""
        self._failure: Unavailable | None = None

    def wait(self, known: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until ``known()``, at most ``timeout_s``, which may be infinite; whether it is.

        Raises ``Unavailable`` when nothing can be learnt any more.
        """
        until = time.monotonic() + timeout_s
        with self._lock:
            while not self.knows(known):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                if self._changed is None:
                    self._changed = threading.Condition(self._lock)
                self._changed.wait(min(left, NEXT_LOOK_S))
        return True

    def knows(self, known: Callable[[], bool]) -> bool:
        """Whether ``known()``. Raises ``Unavailable`` when it is not, and nothing can be learnt any more."""
        with self._lock:
            if known():
                return True
            if self._failure is not None:
                raise self._failure
            return False

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Generator[None]:
        """Meanwhile call ``tell`` after every change, from a thread of the client; it must not wait."""
        with self._lock:
            self._told = (*self._told, tell)
        try:
            yield
        finally:
            with self._lock:
                self._told = tuple(each for each in self._told if each is not tell)

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the end is known: now, or from the thread that reads outcomes."""
        with self._lock:
            if self.ended is None:
                self._callbacks = (*self._callbacks, callback)
                return
        callback()

    def learn(self, outcome: Outcome) -> None:
        """Something was read of this saga."""
        callbacks: tuple[Callable[[], None], ...] = ()
        with self._lock:
            match outcome:
                case RequestAnswered():
                    self.answers[outcome.request_id] = outcome
                case SagaEnded():
                    if self.ended is None:
                        self.ended = outcome
                        callbacks, self._callbacks = self._callbacks, callbacks
            self._tell()
        for callback in callbacks:
            callback()

    def fail(self, request_id: str, error: OrchestratorError) -> None:
        """The request could not be sent."""
        with self._lock:
            self.answers.setdefault(request_id, error)
            self._tell()

    def abandon(self, failure: Unavailable) -> None:
        """Nothing will be learnt any more."""
        with self._lock:
            self._failure = failure
            self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.notify_all()
        for tell in self._told:
            tell()


class Watches:
    """The watches of one client."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._by_saga: WeakValueDictionary[str, Watch] = WeakValueDictionary()
        self._failure: Unavailable | None = None

    def of(self, saga_id: str) -> Watch:
        """The watch of this saga, one for all who wait for it. Raises ``Unavailable`` after ``abandon``."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            watch = self._by_saga.get(saga_id)
            if watch is None:
                watch = self._by_saga[saga_id] = Watch(saga_id, self._lock)
            return watch

    def find(self, saga_id: str) -> Watch | None:
        """The watch of this saga, if somebody waits."""
        return self._by_saga.get(saga_id)

    def abandon(self, failure: Unavailable) -> None:
        """Nothing will be learnt any more: whoever waits is told."""
        with self._lock:
            self._failure = failure
            watches = list(self._by_saga.values())
        for watch in watches:
            watch.abandon(failure)

    def __len__(self) -> int:
        return len(self._by_saga)
