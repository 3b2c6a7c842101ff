"""One thread of a participant: answers the commands it is handed, in order, and posts the replies."""

import threading
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

from orchestrator.errors import Unavailable
from orchestrator.participant.answering import Answering
from orchestrator.participant.inbox import Session
from orchestrator.participant.offsets import Span
from orchestrator.participant.replies import Reply, ReplyProducer
from orchestrator.telemetry import logger
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

Portion: TypeAlias = list[tuple[IncomingRecord, Span]]
"""What one poll gave for one worker, in the order of the partition."""

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0

_log = logger("participant")


class Worker:
    """Runs in a thread of its own until it is handed None."""

    def __init__(self, answering: Answering, session: Session[Any] | None, replies: ReplyProducer) -> None:
        self.queue: SimpleQueue[Portion | None] = SimpleQueue()
        self.current: Span | None = None
        """What is being answered now; others only read it."""
        self.failure: BaseException | None = None
        """What ended the thread, if it was no answer's."""
        self._answering = answering
        self._session = session
        self._replies = replies
        self._dropped = threading.Event()

    def run(self) -> None:
        """Answer until the queue gives None."""
        try:
            while (portion := self.queue.get()) is not None:
                for record, span in portion:
                    self._work(record, span)
                self._replies.hurry()
        except BaseException as error:  # noqa: BLE001 - a dead worker would block its keys in silence: the intake raises it
            self.failure = error
        finally:
            if self._session is not None:
                self._session.close()

    def drop(self) -> None:
        """Look again whether what waits for a server was dropped: its span says so."""
        self._dropped.set()

    def _work(self, record: IncomingRecord, span: Span) -> None:
        self.current = span
        pause_s = BACKOFF_FIRST_S
        while not span.dropped:
            try:
                reply = self._answering.answer(record, self._session, partial(self._report, record))
            except Unavailable as error:
                _log.warning("a command waits for a server", why=str(error), again_in_s=pause_s)
                self._dropped.wait(pause_s)
                self._dropped.clear()
                pause_s = min(2 * pause_s, BACKOFF_MAX_S)
            else:
                self._replies.post(Reply(record, span, reply))
                break
        self.current = None

    def _report(self, command: IncomingRecord, record: OutgoingRecord) -> None:
        self._replies.post(Reply(command, None, record))
