"""A worker and the event loop: what runs side by side, what waits for its turn, and what ends without an answer."""

import asyncio
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import timedelta
from queue import SimpleQueue
from typing import Any

import pytest

from orchestrator import Context, Participant, RetryLater
from orchestrator.participant.answering import Answering
from orchestrator.participant.event_loop import EventLoop
from orchestrator.participant.offsets import Span
from orchestrator.participant.replies import Reply
from orchestrator.participant.worker import Worker
from orchestrator.wire.reply import ReceivedReply
from tests.unit.participant.no_schemas import NoSchemas
from tests.unit.participant.test_answering import Receipt, Withdraw, command, parsed

SOON_S = 30.0


class Replies:
    """Where a worker posts."""

    def __init__(self) -> None:
        self.posted: SimpleQueue[Reply] = SimpleQueue()

    def post(self, reply: Reply) -> None:
        self.posted.put(reply)

    def hurry(self) -> None: ...

    def next(self) -> tuple[ReceivedReply, tuple[str, str] | None]:
        return parsed(self.posted.get(timeout=SOON_S).record)


class Desk:
    """One worker of a bank, in its thread, and its loop."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        bank = Participant("bank")
        bank.handles(Withdraw)(handler)
        self.replies = Replies()
        self.loop = EventLoop("bank")
        answering = Answering("bank", bank._exchanges.values(), NoSchemas())
        posting: Any = self.replies
        self.worker = Worker(answering, None, posting, self.loop)
        self.thread = threading.Thread(target=self.worker.run)
        self.loop.start()
        self.thread.start()

    def take(self, *sagas: str, key: str | None = None) -> Span:
        """Hand over one command of each of ``sagas``, keyed by the saga or all by ``key``."""
        span = Span(0, len(sagas), len(sagas))
        records = [command("a", f"{saga}/withdraw/0/do", saga_id=saga) for saga in sagas]
        keyed = [replace(r, key=(key or saga).encode()) for r, saga in zip(records, sagas, strict=True)]
        self.worker.queue.put([(record, span) for record in keyed])
        return span

    def close(self) -> None:
        self.worker.queue.put(None)
        self.thread.join(SOON_S)
        self.loop.close()
        assert self.worker.failure is None


@pytest.fixture
def opened() -> Generator[Callable[[Callable[..., Any]], Desk]]:
    desks: list[Desk] = []

    def make(handler: Callable[..., Any]) -> Desk:
        desks.append(Desk(handler))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


Opened = Callable[[Callable[..., Any]], Desk]


def test_async_handlers_of_several_keys_run_side_by_side_on_one_loop(opened: Opened) -> None:
    barrier = asyncio.Barrier(20)
    loops: set[asyncio.AbstractEventLoop] = set()

    async def together(_command: Withdraw, _context: Context[None]) -> Receipt:
        loops.add(asyncio.get_running_loop())
        await barrier.wait()
        return Receipt(balance=1)

    desk = opened(together)
    sagas = [f"s{number}" for number in range(20)]
    desk.take(*sagas)
    assert sorted(desk.replies.next()[0].saga_id for _ in sagas) == sorted(sagas)
    assert len(loops) == 1


def test_commands_of_one_key_stay_in_order_and_others_pass_them(opened: Opened) -> None:
    handled: list[str] = []
    gate = asyncio.Event()
    reached = threading.Event()

    async def ordered(_command: Withdraw, context: Context[None]) -> Receipt:
        handled.append(f"{context.saga_id} begins")
        if context.saga_id == "a0":
            reached.set()
            await gate.wait()
        handled.append(f"{context.saga_id} ends")
        if context.saga_id == "b":
            gate.set()
        return Receipt(balance=1)

    desk = opened(ordered)
    sagas = [f"a{number}" for number in range(5)]
    desk.take(*sagas, key="same")
    assert reached.wait(SOON_S)
    desk.take("b")
    assert [desk.replies.next()[0].saga_id for _ in range(6)] == ["b", *sagas]
    assert [each for each in handled if each[0] == "a"] == [
        f"{saga} {what}" for saga in sagas for what in ("begins", "ends")
    ]


@pytest.mark.parametrize(
    ("raised", "failure", "retry_after_ms"),
    [
        (LookupError("no accounts today"), ("LookupError", "no accounts today"), 0),
        (RetryLater(after=timedelta(seconds=2)), ("RetryLater", "not now, again after 0:00:02"), 2_000),
        (asyncio.CancelledError(), ("Cancelled", "its handler was cancelled before it had an answer"), 0),
    ],
)
def test_what_an_async_handler_raises_is_answered_as_of_any_other(
    opened: Opened, raised: BaseException, failure: tuple[str, str], retry_after_ms: int
) -> None:
    async def fail(_command: Withdraw, _context: Context[None]) -> Receipt:
        raise raised

    desk = opened(fail)
    desk.take("s")
    reply, found = desk.replies.next()
    assert (reply.outcome, reply.retryable, reply.retry_after_ms, found) == ("failed", True, retry_after_ms, failure)


def test_an_async_handler_progresses_while_it_runs(opened: Opened) -> None:
    gate = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def at_work(_command: Withdraw, context: Context[None]) -> Receipt:
        loops.append(asyncio.get_running_loop())
        context.progress("half")
        await gate.wait()
        return Receipt(balance=1)

    desk = opened(at_work)
    span = desk.take("s")
    progress = desk.replies.posted.get(timeout=SOON_S)
    assert (progress.span, parsed(progress.record)[0].outcome) == (None, "progress")
    assert desk.replies.posted.empty()
    loops[0].call_soon_threadsafe(gate.set)
    reply = desk.replies.posted.get(timeout=SOON_S)
    assert (reply.span, parsed(reply.record)[0].outcome) == (span, "completed")


def test_what_is_dropped_is_cancelled_and_what_waits_behind_it_is_never_begun(opened: Opened) -> None:
    begun: SimpleQueue[str] = SimpleQueue()
    cancelled: list[str] = []

    async def forever(_command: Withdraw, context: Context[None]) -> Receipt:
        begun.put(context.saga_id)
        if context.saga_id == "later":
            return Receipt(balance=1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(context.saga_id)
            raise
        raise AssertionError

    desk = opened(forever)
    span = desk.take("first", "second", key="same")
    assert begun.get(timeout=SOON_S) == "first"
    assert desk.worker.drops is False
    span.dropped = True
    assert desk.worker.drops is True
    desk.worker.drop()
    desk.take("later", key="same")
    assert desk.replies.next()[0].saga_id == "later"
    assert desk.worker.drops is False
    assert (begun.get(timeout=SOON_S), cancelled, begun.empty()) == ("later", ["first"], True)


def test_a_closed_loop_cancels_what_still_runs() -> None:
    ended = threading.Event()
    begun = threading.Event()
    loop = EventLoop("bank")
    loop.start()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    call = loop.begin(forever(), lambda _: ended.set())
    assert begun.wait(SOON_S)
    loop.close()
    loop.close()
    assert ended.wait(SOON_S)
    with pytest.raises(Exception, match="its handler was cancelled"):
        call.result()
    assert loop.failure is None
    with pytest.raises(RuntimeError, match="closed"):
        loop.begin(forever(), lambda _: None)


def test_a_handler_that_ends_the_program_ends_the_loop_and_says_so() -> None:
    loop = EventLoop("bank")
    loop.start()

    async def leave() -> None:
        raise KeyboardInterrupt

    loop.begin(leave(), lambda _: None)
    loop._thread.join(SOON_S)
    assert isinstance(loop.failure, KeyboardInterrupt)
    loop.close()


def test_an_async_handler_that_exits_ends_its_attempt_and_the_loop_goes_on(opened: Opened) -> None:
    async def leaves(_command: Withdraw, context: Context[None]) -> Receipt:
        if context.saga_id == "a":
            raise SystemExit("no vault")
        return Receipt(balance=1)

    desk = opened(leaves)
    desk.take("a")
    reply, failure = desk.replies.next()
    assert (reply.retryable, failure) == (True, ("SystemExit", "no vault"))
    desk.take("b")
    assert desk.replies.next()[0].outcome == "completed"
    assert desk.loop.failure is None
