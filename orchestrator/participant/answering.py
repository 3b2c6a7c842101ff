"""From one command record to one reply record: decode, ask the inbox, call the handler, encode.

No thread, no consumer, no producer: those who have them call ``Answering.answer``, from several threads at once.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from orchestrator.clock import now_ms
from orchestrator.errors import MessageRejected, OrchestratorError, TopicMismatch
from orchestrator.participant.exchange import Begun, Exchange
from orchestrator.participant.handler_exchange import HandlerExchange, Heard
from orchestrator.participant.inbox import Delivery, Retryable, Session
from orchestrator.participant.schemas import Schemas
from orchestrator.telemetry import logger
from orchestrator.wire.avro import Codec
from orchestrator.wire.body import decode_body
from orchestrator.wire.command import ReceivedCommand, command_body, parse_command
from orchestrator.wire.headers import place_of
from orchestrator.wire.parking import parked_record, parked_topic
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import FAILURE, PROGRESS, Answer, failed, progress, reply_record

MESSAGE_MAX: Final = 2_000
"""Characters of an exception's text that a reply carries."""
PROGRESS_EVERY_S: Final = 0.2
"""Between two heartbeats of one command: each is an event of its saga, kept for ever."""

Report: TypeAlias = Callable[[OutgoingRecord], None]
"""Sends a record beside the answer; any thread may call it, and it does not wait."""
Sent: TypeAlias = OutgoingRecord | None

_log = logger("participant")


class Answering:
    """What one participant does, by the type of command."""

    def __init__(
        self,
        participant: str,
        exchanges: Iterable[Exchange | HandlerExchange],
        schemas: Schemas,
        *,
        parks: bool = False,
    ) -> None:
        """``parks``: what cannot be read is put away, and not answered."""
        self.unreadable = 0
        """Records that could not be read."""
        self.parks = parks
        self._participant = participant
        self._exchanges = {exchange.command_type: exchange for exchange in exchanges}
        self._schemas = schemas

    def codecs(self) -> list[Codec]:
        """Of everything that is read or written here."""
        return [FAILURE, PROGRESS, *(codec for exchange in self._exchanges.values() for codec in exchange.codecs())]

    def answer(self, record: IncomingRecord, session: Session[Any] | None, report: Report | None = None) -> Sent:
        """As ``begin``, for who has no event loop and no async handlers."""
        sent = self.begin(record, session, report)
        assert not isinstance(sent, Begun), "async handlers need an event loop"
        return sent

    def begin(self, record: IncomingRecord, session: Session[Any] | None, report: Report | None) -> Sent | Begun[Sent]:
        """The record to send for ``record``: its reply, or what it is parked as. Raises ``Unavailable``.

        None when it cannot be told who waits for a reply, and nothing is parked. An async handler is begun.
        ``report`` is given what the handler says while it is at work.
        """
        try:
            command = parse_command(record)
            self._schemas.introduce(command.namespace)
        except (MessageRejected, TopicMismatch) as why:
            reason = why.reason if isinstance(why, MessageRejected) else "unknown_namespace"
            return self._without_answer(record, _Unreadable(reason, str(why)))
        return self._sent(
            record, command, partial(self._first_answer, record, command, session, _heartbeat(command, report))
        )

    def _sent(
        self, record: IncomingRecord, command: ReceivedCommand, give: Callable[[], Answer | Begun[Answer]]
    ) -> Sent | Begun[Sent]:
        try:
            answer = give()
        except _Unreadable as why:
            return self._without_answer(record, why)
        except Retryable as later:
            answer = failed(later.type, later.message[:MESSAGE_MAX], retryable=True, retry_after_ms=later.after_ms)
        except OrchestratorError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, one command must not block its partition
            _log.exception("a command could not be answered", command=command.command_id)
            answer = failed(type(error).__name__, str(error)[:MESSAGE_MAX], retryable=True)
        if isinstance(answer, Begun):
            ended = answer.ended
            return Begun(answer.coroutine, lambda give: self._ended(record, command, partial(ended, give)))
        return reply_record(command, answer, now_ms())

    def _ended(self, record: IncomingRecord, command: ReceivedCommand, give: Callable[[], Answer]) -> Sent:
        sent = self._sent(record, command, give)
        assert not isinstance(sent, Begun), "what has ended is not begun again"
        return sent

    def too_large(self, record: IncomingRecord, sent: OutgoingRecord) -> OutgoingRecord | None:
        """What to send for ``record`` instead of ``sent``, which is more than its topic takes; None: nothing.

        Of a reply: the command may have been done.
        """
        if sent.topic == parked_topic(self._participant):
            _log.error("what cannot be parked is passed over", record=place_of(record), bytes=len(sent.value or b""))
            return None
        command = parse_command(record)
        answer = failed("ReplyTooLarge", f"the reply to {command.type} is larger than its topic takes", retryable=False)
        return reply_record(command, answer, now_ms())

    def _first_answer(
        self, record: IncomingRecord, command: ReceivedCommand, session: Session[Any] | None, heard: Heard | None
    ) -> Answer | Begun[Answer]:
        if session is None:
            return self._handle(record, command, heard, None, kept=False)
        delivery = Delivery(
            namespace=command.namespace, command_id=command.command_id, undoes=command.undoes, role=command.role
        )

        def handle(connection: object) -> Answer:
            answer = self._handle(record, command, heard, connection, kept=True)
            assert not isinstance(answer, Begun), "with an inbox, async handlers are refused at their declaration"
            return answer

        return session.once(delivery, handle)

    def _handle(
        self,
        record: IncomingRecord,
        command: ReceivedCommand,
        heard: Heard | None,
        connection: object,
        *,
        kept: bool,
    ) -> Answer | Begun[Answer]:
        """``kept``: an inbox keeps the answer, so that what is refused here will never be done."""
        if command.role == "do" and command.expires_ms is not None and now_ms() >= command.expires_ms:
            raise Retryable("Expired", "its attempt had ended before it was read")
        exchange = self._exchanges.get(command.type)
        if exchange is None:
            known = ", ".join(self._exchanges) or "nothing"
            text = f"expected one of {known}, got {command.type}, in {self._participant}: deploy one that handles it"
            return self._refused(command, "UnknownCommand", _Unreadable("unknown_command", text), kept=kept)
        try:
            schema_of = partial(self._schemas.find, command.namespace)
            data = decode_body(command_body(record), exchange.command, schema_of)
            if isinstance(exchange, HandlerExchange):
                return exchange.begin(data, command, connection, heard)
            return exchange.answer(data, command)
        except MessageRejected as why:
            return self._refused(command, "Unreadable", _Unreadable(why.reason, str(why)), kept=kept)

    def _refused(self, command: ReceivedCommand, kind: str, why: "_Unreadable", *, kept: bool) -> Answer:
        """The final answer to what cannot be read. Raises ``why`` where it is parked instead."""
        if self.parks:
            raise why
        _log.warning(
            "a command fails for good", command=command.command_id, attempt=command.attempt, type=kind, why=str(why)
        )
        return failed(kind, str(why)[:MESSAGE_MAX], retryable=False, no_effect=kept)

    def _without_answer(self, record: IncomingRecord, why: "_Unreadable") -> OutgoingRecord | None:
        self.unreadable += 1
        if self.parks:
            _log.error("a record that cannot be read is parked", record=place_of(record), why=str(why))
            return parked_record(self._participant, record, why.reason, str(why))
        _log.error("a record that nobody can be answered is passed over", record=place_of(record), why=str(why))
        return None


class _Unreadable(Exception):
    """A record that this participant can do nothing with; ``reason`` is the word that it is parked with."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


def _heartbeat(command: ReceivedCommand, report: Report | None) -> Heard | None:
    """What a handler's ``progress`` calls."""
    if report is None:
        return None
    said_at = float("-inf")

    def heard(detail: str) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= PROGRESS_EVERY_S:
            said_at = now
            report(reply_record(command, progress(detail[:MESSAGE_MAX]), now_ms()))

    return heard
