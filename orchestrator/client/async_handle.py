"""A saga as whoever started it holds it, on an event loop: ``Handle``'s way of waiting, without a thread for each."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Generic, TypeVar, assert_never

from orchestrator.client.handle import ANSWER_S, Answered, Handle, Look, Pauses, Wait

Output_co = TypeVar("Output_co", covariant=True)
T = TypeVar("T")


class AsyncHandle(Generic[Output_co]):
    """One saga. As long as somebody holds it, what becomes of the saga is listened for; any loop may use it."""

    __slots__ = ("__weakref__", "_handle", "_threads")

    def __init__(self, handle: Handle[Output_co], threads: Executor) -> None:
        """``threads`` are for what waits for Kafka: looking for an outcome of the past."""
        self._handle = handle
        self._threads = threads

    @property
    def id(self) -> str:
        """The saga's id."""
        return self._handle.id

    async def answered(self, timeout: float = ANSWER_S) -> Answered:  # noqa: ASYNC109 - as Handle's, and shared with it
        """Wait for the answer to the start: see ``Handle.answered``."""
        return await self._awaited(self._handle.answer_pauses(timeout))

    def done(self) -> bool:
        """Whether the saga is known to have ended."""
        return self._handle.done()

    def add_done_callback(self, callback: Callable[["AsyncHandle[Output_co]"], None]) -> None:
        """Call ``callback`` with this handle once the saga has ended, from the event loop that runs now."""
        loop = asyncio.get_running_loop()

        def ended(_: Handle[Output_co]) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody is there to be called
                loop.call_soon_threadsafe(callback, self)

        self._handle.add_done_callback(ended)

    async def outcome(self, timeout: float | None = None) -> Output_co:  # noqa: ASYNC109 - as Handle's, and shared with it
        """Wait for the saga's end and return what it returned: see ``Handle.outcome``."""
        return await self._awaited(self._handle.outcome_pauses(timeout))

    async def _awaited(self, pauses: Pauses[T]) -> T:
        try:
            pause = next(pauses)
            while True:
                match pause:
                    case Wait():
                        known = await _known(pause)
                    case Look():
                        known = await asyncio.get_running_loop().run_in_executor(self._threads, pause.look)
                    case _:
                        assert_never(pause)
                pause = pauses.send(known)
        except StopIteration as end:
            return end.value


async def _known(wait: Wait) -> bool:
    """Wait as ``Watch.wait`` does, for a loop."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(told.set)

    seconds = None if math.isinf(wait.seconds) else wait.seconds
    with wait.watch.telling(tell):
        try:
            async with asyncio.timeout(seconds):
                while not wait.watch.knows(wait.known):
                    await told.wait()
                    told.clear()
        except TimeoutError:
            return False
    return True
