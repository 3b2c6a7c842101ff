"""A consumer's life without Kafka: what becomes of what it has taken."""

import asyncio
import threading

from confluent_kafka import TopicPartition

from orchestrator import Context, Participant
from orchestrator.participant.answering import Answering
from orchestrator.participant.event_loop import EventLoop
from orchestrator.participant.intake import Intake
from orchestrator.participant.offsets import Span
from orchestrator.participant.worker import WorkerPool
from orchestrator.settings import load
from tests.unit.participant.no_schemas import NoSchemas
from tests.unit.participant.test_answering import Receipt, Withdraw, command
from tests.waiting import until

SOON_S = 30.0


def test_what_others_took_over_without_asking_is_cancelled_here() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def at_work(_command: Withdraw, _context: Context[None]) -> Receipt:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    bank = Participant("bank")
    bank.handles(Withdraw)(at_work)
    loop = EventLoop("bank")
    pool = WorkerPool(Answering("bank", bank._exchanges.values(), NoSchemas()), None, 1, loop)
    intake = Intake("bank", "bank.commands", load({"SAGA_KAFKA": "127.0.0.1:1"}), pool)
    loop.start()
    intake.start()
    try:
        partitions = [TopicPartition("bank.commands", 0)]
        intake._on_assign(intake._consumer, partitions)
        span = Span(0, 1, 1)
        intake._offsets.opened(span)
        intake._workers[0].queue.put([(command("a"), span)])
        assert begun.wait(SOON_S)
        worker = intake._workers[0]
        until(lambda: bool(worker._begun) and worker._current is None)  # it has looked whether the span was dropped
        intake._on_lost(intake._consumer, partitions)
        assert cancelled.wait(SOON_S)
    finally:
        intake.close()
        loop.close()
