"""The event loop of a participant's async handlers, in a thread of its own from ``start`` to ``close``.

One loop for as long as the participant runs, also through restarts of the servers: what handlers keep open (a pool, an
HTTP client) belongs to the loop it was made in.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

from orchestrator.participant.inbox import Retryable

CLOSE_S: Final = 10.0
"""How long what is cancelled at the end may take to end."""


class Call:
    """A coroutine that the loop runs; ``ended`` is called in the loop's thread, also when it was cancelled."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], ended: Callable[["Call"], None]) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._task: asyncio.Task[object] | None = None
        self._exit: SystemExit | None = None

    def begin(self) -> None:
        """For the loop's thread."""
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._done)

    def stop(self) -> None:
        """For the loop's thread: cancel it."""
        if self._task is not None:
            self._task.cancel()

    def result(self) -> object:
        """What the coroutine returned, once it has ended; raises what it raised."""
        assert self._task is not None, "only what was begun has ended"
        if self._task.cancelled():
            raise Retryable("Cancelled", "its handler was cancelled before it had an answer")
        if self._exit is not None:
            raise self._exit
        return self._task.result()

    async def _run(self) -> object:
        try:
            return await self._coroutine
        except SystemExit as error:  # out of a task it would end the loop, and with it everybody's handlers
            self._exit = error
            return None

    def _done(self, task: asyncio.Task[object]) -> None:
        self._coroutine.close()  # who is cancelled at once has not begun it
        if not task.cancelled():
            task.exception()  # asked for here: what is dropped is of no interest, and not to be logged as forgotten
        self._ended(self)


class EventLoop:
    """Runs coroutines side by side; any thread may begin and cancel them."""

    def __init__(self, name: str) -> None:
        self.failure: BaseException | None = None
        """What ended it without ``close``: a handler that raises ``KeyboardInterrupt``, say."""
        self._running: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-loop", daemon=True)

    def start(self) -> None:
        """Begin; returns when the loop runs."""
        self._thread.start()
        self._ready.wait()

    def begin(self, coroutine: Coroutine[Any, Any, object], ended: Callable[[Call], None]) -> Call:
        """Run ``coroutine``. Raises ``RuntimeError`` when the loop has ended."""
        call = Call(coroutine, ended)
        try:
            self._soon(call.begin)
        except RuntimeError:
            coroutine.close()
            raise
        return call

    def cancel(self, call: Call) -> None:
        """Have ``call`` end soon: its handler meets ``CancelledError`` where it waits."""
        self._soon(call.stop)

    def close(self) -> None:
        """Cancel what still runs, and end. Twice is fine."""
        if self._thread.is_alive() and self._closing is not None:
            self._soon(self._closing.set)
            self._thread.join(2 * CLOSE_S)

    def _soon(self, what: Callable[[], None]) -> None:
        assert self._running is not None, "the loop was started"
        self._running.call_soon_threadsafe(what)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - nobody would answer any more, in silence: the intake raises it
            self.failure = error
        finally:
            self._ready.set()

    async def _live(self) -> None:
        self._running, self._closing = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._closing.wait()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=CLOSE_S)
