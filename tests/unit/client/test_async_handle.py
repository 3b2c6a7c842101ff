"""Handles on an event loop, without Kafka: they wait as those of threads do, and wait in no thread."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from orchestrator import AsyncClient, AsyncHandle, Client, Handle
from orchestrator.client.watch import Watch, Watches
from orchestrator.errors import Conflict, OutcomeTimeout, Unavailable
from tests.unit.client.test_handle import LookBack, answered, ended, handle, never

T = TypeVar("T")


@pytest.fixture
def threads() -> Generator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def beside(work: Callable[[], None]) -> Coroutine[Any, Any, None]:
    """``work`` in another thread, as the listener does."""
    return asyncio.to_thread(work)


def begun() -> None:
    """Beside the loop: when it is awaited, the tasks that were made before have begun to wait."""


@pytest.mark.parametrize(("own", "awaitable"), [(Client, AsyncClient), (Handle, AsyncHandle)])
def test_both_have_the_same_methods_with_the_same_parameters(own: type, awaitable: type) -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and not name.endswith("_pauses")
        }

    assert methods(own) == methods(awaitable)


def test_thousands_wait_without_a_thread_and_are_woken(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    held = AsyncHandle(handle(watches), threads)

    async def main() -> list[str]:
        waiting = [asyncio.create_task(held.outcome(30)) for _ in range(2_000)]
        await beside(begun)
        assert threading.active_count() < 20
        assert (held.id, held.done()) == ("s", False)
        await beside(lambda: watches.of("s").learn(ended()))
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == ["done"] * 2_000
    assert watches.of("s")._told == ()


def test_what_does_not_come_in_time_may_be_asked_for_again(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    held = AsyncHandle(handle(watches), threads)

    async def main() -> None:
        with pytest.raises(OutcomeTimeout, match="not answered within 0.01 s"):
            await held.answered(0.01)
        await beside(lambda: watches.of("s").learn(answered("accepted")))
        assert await held.answered(0) == "accepted"
        with pytest.raises(OutcomeTimeout, match="it goes on"):
            await held.outcome(0.01)
        await beside(lambda: watches.of("s").learn(ended()))
        assert await held.outcome(0) == "done"

    asyncio.run(main())


def test_a_no_is_raised(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    watches_of_s = watches.of("s")
    watches_of_s.learn(answered("conflict"))
    with pytest.raises(Conflict, match="why"):
        asyncio.run(AsyncHandle(handle(watches), threads).outcome())


def test_the_past_is_looked_through_in_another_thread(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    looked: list[str] = []

    def look_back(watch: Watch, until: float) -> None:
        looked.append(threading.current_thread().name)
        assert until > time.monotonic()
        watch.learn(ended())

    looking: LookBack = look_back
    held = AsyncHandle(handle(watches, looking, request_id=None), threads)
    assert asyncio.run(held.outcome(30)) == "done"
    assert looked != [threading.main_thread().name]
    assert len(looked) == 1


def test_whoever_waits_is_told_that_nothing_comes_any_more(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    held = AsyncHandle(handle(watches), threads)

    async def main() -> None:
        waiting = asyncio.create_task(held.outcome())
        await beside(begun)
        await beside(lambda: watches.abandon(Unavailable("ended")))
        with pytest.raises(Unavailable, match="ended"):
            await waiting

    asyncio.run(main())


def test_who_is_cancelled_waits_no_longer(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    held = AsyncHandle(handle(watches, never), threads)

    async def main() -> None:
        waiting = asyncio.create_task(held.outcome())
        await beside(begun)
        assert len(watches.of("s")._told) == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    asyncio.run(main())
    assert watches.of("s")._told == ()


def test_a_callback_is_called_by_its_loop_and_a_closed_loop_stops_nobody(threads: ThreadPoolExecutor) -> None:
    watches = Watches()
    held = AsyncHandle(handle(watches), threads)
    called: list[tuple[str, str]] = []

    async def main() -> None:
        done = asyncio.Event()

        def callback(each: AsyncHandle[str]) -> None:
            called.append((each.id, threading.current_thread().name))
            done.set()

        held.add_done_callback(callback)
        await beside(lambda: watches.of("s").learn(ended()))
        await done.wait()

    async def forget(forgotten: AsyncHandle[str]) -> None:
        forgotten.add_done_callback(lambda _: None)

    asyncio.run(main())
    assert called == [("s", threading.main_thread().name)]
    others = Watches()
    other = AsyncHandle(handle(others), threads)
    asyncio.run(forget(other))
    others.of("s").learn(ended())
    assert other.done() is True
