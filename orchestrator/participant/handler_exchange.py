"""A handler as the answer to one type of command: called with what a command says, encoded as it declares."""

from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from orchestrator.blueprint.values import Data
from orchestrator.definition.conversion import from_data, full_name, to_data
from orchestrator.definition.messages import Rejection
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import MessageRejected
from orchestrator.participant.context import Context, RetryLater
from orchestrator.participant.exchange import Begun
from orchestrator.participant.handlers import Handler
from orchestrator.participant.inbox import Retryable
from orchestrator.telemetry import logger
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.command import ReceivedCommand
from orchestrator.wire.reply import Answer, completed, rejected

Heard: TypeAlias = Callable[[str], None]
"""Takes what a handler says of its progress."""

_log = logger("participant")


@dataclass(frozen=True, slots=True)
class HandlerExchange:
    """A handler with the codecs of what it takes and gives."""

    handler: Handler
    command_type: str
    command: Codec
    reply: Codec | None
    rejections: dict[type[Rejection], tuple[str, Codec]]
    """Each with its Avro full name."""

    def codecs(self) -> Iterable[Codec]:
        """Of everything that it reads or writes."""
        yield self.command
        if self.reply is not None:
            yield self.reply
        for _, codec in self.rejections.values():
            yield codec

    def begin(
        self, data: Data, command: ReceivedCommand, connection: object, heard: Heard | None
    ) -> "Answer | Begun[Answer]":
        """Call the handler, and raise, as ``Exchange.answer``; one that is async is begun.

        ``connection`` is the inbox's, None without one; ``heard`` is told the handler's progress.
        """
        try:
            message = from_data(data, self.handler.kind)
        except ValueError as why:  # also what a message's own __post_init__ raises
            raise MessageRejected("undecodable", str(why)) from why
        context = Context(
            connection, command.command_id, command.attempt, command.saga_id, undoes=command.undoes, heard=heard
        )
        if self.handler.is_async:
            coroutine = cast("Coroutine[Any, Any, object]", self.handler.function(message, context))
            return Begun(coroutine, lambda give: self._answer(give, context))
        return self._answer(partial(self.handler.function, message, context), context)

    def _answer(self, give: Callable[[], object], context: Context[Any]) -> Answer:
        result = _given(give, context)
        try:
            return _encoded(self, result)
        except Retryable as why:
            _log.warning(
                "a handler's answer is none",
                command=context.command_id,
                attempt=context.attempt,
                type=why.type,
                why=why.message,
            )
            raise


def exchange_of(handler: Handler) -> HandlerExchange:
    """The codecs of ``handler``. Raises ``UnsupportedType`` for messages that no schema can be made of."""
    answers, namespace = handler.answers, handler.answers.participant
    return HandlerExchange(
        handler,
        full_name(handler.kind, namespace),
        codec_for(avro_schema(handler.kind, namespace)),
        None if answers.reply is None else codec_for(avro_schema(answers.reply, namespace)),
        {kind: (full_name(kind, namespace), codec_for(avro_schema(kind, namespace))) for kind in answers.rejections},
    )


def _given(give: Callable[[], object], context: Context[Any]) -> object:
    """What the handler gives; a rejection that it raises is given too."""
    try:
        return give()
    except Retryable:
        raise
    except Rejection as rejection:
        return rejection
    except RetryLater as later:
        raise Retryable("RetryLater", str(later), _ms(later)) from later
    # sys.exit() in a handler is the end of its attempt, not of the program; so is a cancelled future it waited for.
    except (Exception, SystemExit, CancelledError) as error:
        _log.warning("a handler raised", command=context.command_id, attempt=context.attempt, exc_info=True)
        raise Retryable(type(error).__name__, str(error)) from error


def _encoded(exchange: HandlerExchange, result: object) -> Answer:
    """Checked against what the command declares: a first answer is repeated for ever. Raises ``Retryable``."""
    kind = exchange.handler.kind.__name__
    try:
        if isinstance(result, Rejection):
            declared = exchange.rejections.get(type(result))
            if declared is None:
                raise Retryable("UndeclaredRejection", _undeclared(exchange, result))
            name, codec = declared
            return rejected(name, codec, to_data(result, type(result), exchange.handler.answers.participant))
        if exchange.reply is None:
            if result is not None:
                raise Retryable("WrongReply", f"expected None from the handler of {kind}, got {result!r:.200}")
            return completed()
        answers = exchange.handler.answers
        return completed(exchange.reply, to_data(result, answers.reply, answers.participant))
    except ValueError as error:  # of conversion and of the codec
        raise Retryable("WrongReply", f"the handler of {kind}: {error}") from error


def _undeclared(exchange: HandlerExchange, rejection: Rejection) -> str:
    kinds = [kind.__name__ for kind in (*exchange.rejections, type(rejection))]
    kind = exchange.handler.kind.__name__
    return f"{type(rejection).__name__}, which {kind} does not declare: write Command[…, {' | '.join(kinds)}]"


def _ms(later: RetryLater) -> int:
    return int(later.after.total_seconds() * 1000)
