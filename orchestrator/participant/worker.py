"""One thread of a participant: answers the commands it is handed, in order, and posts the replies.

An async handler is begun here and runs on the participant's event loop; meanwhile the thread goes on with commands of
other keys. What belongs to one key waits for what came before it, so its order is kept, whatever the handlers are.
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

from orchestrator.errors import Unavailable
from orchestrator.participant.answering import Answering, Sent
from orchestrator.participant.event_loop import Call, EventLoop
from orchestrator.participant.exchange import Begun
from orchestrator.participant.inbox import Inbox, Session
from orchestrator.participant.offsets import Span
from orchestrator.participant.replies import Reply, ReplyProducer
from orchestrator.telemetry import logger
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

Handout: TypeAlias = list[tuple[IncomingRecord, Span]]
"""What one poll gave for one worker, in the order of the partition."""

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0

_log = logger("participant")


@dataclass(frozen=True, slots=True)
class _Ended:
    """An async handler has ended."""

    record: IncomingRecord
    span: Span
    begun: Begun[Sent]
    call: Call


class Worker:
    """Runs in a thread of its own until it is handed None."""

    def __init__(
        self, answering: Answering, session: Session[Any] | None, replies: ReplyProducer, loop: EventLoop
    ) -> None:
        self.queue: SimpleQueue[Handout | _Ended | None] = SimpleQueue()
        self.failure: BaseException | None = None
        """What ended the thread, if it was no answer's."""
        self._current: Span | None = None
        self._begun: dict[Call, Span] = {}
        """The async handlers that run."""
        self._behind: dict[object, deque[tuple[IncomingRecord, Span]]] = {}
        """By key, what waits for an async handler of the same key."""
        self._answering = answering
        self._session = session
        self._replies = replies
        self._loop = loop
        self._dropped = threading.Event()

    def run(self) -> None:
        """Answer until the queue gives None."""
        try:
            while (found := self.queue.get()) is not None:
                if isinstance(found, _Ended):
                    self._end(found)
                    if not self.queue.empty():
                        continue
                else:
                    for record, span in found:
                        self._take(record, span)
                self._replies.hurry()
        except BaseException as error:  # noqa: BLE001 - a dead worker would block its keys in silence: the intake raises it
            self.failure = error
        finally:
            if self._session is not None:
                self._session.close()

    def drop(self) -> None:
        """Look again whether what waits for a server, or runs on the loop, was dropped: its span says so."""
        self._dropped.set()
        for call, span in self._begun.copy().items():
            if span.dropped:
                self._loop.cancel(call)

    @property
    def drops(self) -> bool:
        """Whether it is in the middle of something that was dropped."""
        current = self._current
        return (current is not None and current.dropped) or any(span.dropped for span in self._begun.copy().values())

    def _take(self, record: IncomingRecord, span: Span) -> None:
        behind = self._behind.get(_key(record))
        if behind is None:
            self._work(record, span)
        else:
            behind.append((record, span))

    def _work(self, record: IncomingRecord, span: Span) -> bool:
        """Answer ``record``, or begin to; whether its handler runs on."""
        self._current = span
        pause_s = BACKOFF_FIRST_S
        runs_on = False
        while not span.dropped:
            try:
                sent = self._answering.begin(record, self._session, partial(self._report, record))
            except Unavailable as error:
                _log.warning("a command waits for a server", why=str(error), again_in_s=pause_s)
                self._dropped.wait(pause_s)
                self._dropped.clear()
                pause_s = min(2 * pause_s, BACKOFF_MAX_S)
            else:
                runs_on = isinstance(sent, Begun)
                if isinstance(sent, Begun):
                    self._begin(record, span, sent)
                else:
                    self._replies.post(Reply(record, span, sent))
                break
        self._current = None
        return runs_on

    def _begin(self, record: IncomingRecord, span: Span, begun: Begun[Sent]) -> None:
        self._behind.setdefault(_key(record), deque())
        call = self._loop.begin(begun.coroutine, lambda call: self.queue.put(_Ended(record, span, begun, call)))
        self._begun[call] = span
        if span.dropped:  # after `drop` had looked
            self._loop.cancel(call)

    def _end(self, ended: _Ended) -> None:
        del self._begun[ended.call]
        if not ended.span.dropped:
            self._replies.post(Reply(ended.record, ended.span, ended.begun.ended(ended.call.result)))
        behind = self._behind[_key(ended.record)]
        while behind:
            if self._work(*behind.popleft()):
                return
        del self._behind[_key(ended.record)]

    def _report(self, command: IncomingRecord, record: OutgoingRecord) -> None:
        self._replies.post(Reply(command, None, record))


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """Who answers: what the workers of each life of the consumer have in common."""

    answering: Answering
    inbox: Inbox[Any] | None
    size: int
    """How many threads."""
    loop: EventLoop

    def workers(self, replies: ReplyProducer) -> list[Worker]:
        """As many as there shall be, not yet running."""
        return [
            Worker(self.answering, self.inbox.session() if self.inbox is not None else None, replies, self.loop)
            for _ in range(self.size)
        ]


def _key(record: IncomingRecord) -> object:
    """What is answered in order: the record's key; without one, its partition."""
    return record.key or record.partition
