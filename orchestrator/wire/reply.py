"""Replies: a participant's answer to one attempt of a command, and what the orchestrator finds in it.

``ce_type`` is the rejection's full name on ``rejected``, and ``{command type}.reply`` otherwise. A reply's ``ce_id`` is
``{command id}/{attempt}/{outcome}``, so that an answer that is repeated is the same event; each progress is another.
"""

from dataclasses import field
from typing import Final, Literal, cast

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.values import Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.body import Body, body_of, decode_body
from orchestrator.wire.command import ReceivedCommand
from orchestrator.wire.headers import (
    ATTEMPT,
    COMMANDID,
    NOEFFECT,
    OUTCOME,
    RETRYABLE,
    RETRYAFTERMS,
    SKIPPED,
    SUBJECT,
    TRACEPARENT,
    TYPE,
    HeaderReader,
    avro_headers,
    envelope,
    whole_header,
)
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.schemas import own_schema

ReplyOutcome = Literal["completed", "rejected", "failed", "progress"]
OUTCOMES: Final = ("completed", "rejected", "failed", "progress")

FAILURE: Final = codec_for(own_schema("failure"))
PROGRESS: Final = codec_for("string")
"""What a progress may say: a text for people."""
PROGRESS_MAX: Final = 2_000
"""Characters of it that are kept: each is an event, for ever."""


@frozen(kw_only=True)
class Answer:
    """What a participant answers, apart from the attempt it answers: an inbox stores it and repeats it."""

    outcome: ReplyOutcome
    type: str | None = None
    """On ``rejected`` the Avro full name of the rejection."""
    schema_id: str | None = None
    value: bytes | None = None
    """The body in Avro single-object encoding; both or neither."""
    skipped: bool = False
    """An undo or probe that found nothing to undo."""
    retryable: bool = False
    retry_after_ms: int = 0
    no_effect: bool = False


def completed(codec: Codec | None = None, data: Data = None, *, skipped: bool = False) -> Answer:
    """Done; ``codec`` is None when the command has no reply. Raises ``Mismatch``, a ValueError."""
    if codec is None:
        return Answer(outcome="completed", skipped=skipped)
    return Answer(outcome="completed", schema_id=codec.schema_id, value=codec.encode(data), skipped=skipped)


def rejected(rejection_type: str, codec: Codec, data: Data) -> Answer:
    """A declared business answer: nothing happened. Raises ``Mismatch``, a ValueError."""
    return Answer(outcome="rejected", type=rejection_type, schema_id=codec.schema_id, value=codec.encode(data))


def failed(
    failure_type: str, message: str, *, retryable: bool, retry_after_ms: int = 0, no_effect: bool = False
) -> Answer:
    """It went wrong; ``no_effect`` promises that nothing happened and nothing will."""
    value = FAILURE.encode({"type": _encodable(failure_type), "message": _encodable(message)})
    return Answer(
        outcome="failed",
        schema_id=FAILURE.schema_id,
        value=value,
        retryable=retryable,
        retry_after_ms=retry_after_ms,
        no_effect=no_effect,
    )


def progress(detail: str) -> Answer:
    """Still at it: the attempt's silence begins anew."""
    return Answer(outcome="progress", schema_id=PROGRESS.schema_id, value=PROGRESS.encode(_encodable(detail)))


def _encodable(text: str) -> str:
    """``text`` as UTF-8 can hold it: the name of a file may be in it, and whoever says so must be answered."""
    return text.encode(errors="backslashreplace").decode()


def reply_record(command: ReceivedCommand, answer: Answer, time_ms: int) -> OutgoingRecord:
    """The record of ``answer``, to where the command asks for it."""
    reply_type = answer.type if answer.outcome == "rejected" else f"{command.type}.reply"
    assert reply_type is not None, "a rejection has a type"
    participant = command.type.rpartition(".")[0]
    event = f"progress/{time_ms}" if answer.outcome == "progress" else answer.outcome
    event_id = f"{command.command_id}/{command.attempt}/{event}"
    headers = [
        *envelope(event_id, reply_type, f"/{participant}".encode(), command.saga_id.encode(), time_ms),
        (COMMANDID, command.command_id.encode()),
        (ATTEMPT, whole_header(command.attempt)),
        (OUTCOME, answer.outcome.encode()),
    ]
    if answer.schema_id is not None:
        headers += avro_headers(answer.schema_id)
    if answer.skipped:
        headers.append((SKIPPED, b"true"))
    if answer.outcome == "failed":
        headers += [
            (RETRYABLE, b"true" if answer.retryable else b"false"),
            (RETRYAFTERMS, whole_header(answer.retry_after_ms)),
            (NOEFFECT, b"true" if answer.no_effect else b"false"),
        ]
    if command.traceparent is not None:
        headers.append((TRACEPARENT, command.traceparent.encode()))
    return OutgoingRecord(
        command.reply_to, command.reply_partition, command.saga_id.encode(), tuple(headers), answer.value
    )


@frozen(kw_only=True)
class ReceivedReply:
    """An answer as the orchestrator receives it; what its body is says ``body_of`` with the ``headers``."""

    saga_id: str
    command_id: str
    attempt: int
    outcome: ReplyOutcome
    type: str
    """On ``rejected`` the Avro full name of the rejection; else it says nothing new and may be empty."""
    skipped: bool
    retryable: bool
    retry_after_ms: int
    no_effect: bool
    headers: HeaderReader = field(compare=False, repr=False)
    """Of the record: apart, so that an unreadable body can be told from an unreadable reply."""


def parse_reply(record: IncomingRecord) -> ReceivedReply:
    """The reply in ``record``, body apart. Raises ``MessageRejected``."""
    headers = HeaderReader(record)
    saga_id = headers.text(SUBJECT, "a saga's id")
    command_id = headers.text(COMMANDID, "the id of the command that is answered")
    if not command_id.startswith(f"{saga_id}/"):
        raise headers.refuse(COMMANDID, f"the id of a command of saga {saga_id}", command_id)
    outcome = cast("ReplyOutcome", headers.one_of(OUTCOME, OUTCOMES))
    if outcome == "rejected":
        reply_type = headers.text(TYPE, "the full name of the rejection")
    else:
        reply_type = headers.text_or_none(TYPE) or ""
    return ReceivedReply(
        saga_id=saga_id,
        command_id=command_id,
        attempt=headers.whole(ATTEMPT, "the number of the attempt that is answered"),
        outcome=outcome,
        type=reply_type,
        skipped=headers.flag(SKIPPED),
        retryable=headers.flag(RETRYABLE),
        retry_after_ms=headers.whole_or_none(RETRYAFTERMS, "milliseconds to wait") or 0,
        no_effect=headers.flag(NOEFFECT),
        headers=headers,
    )


def decode_failure(body: Body | None) -> tuple[str, str]:
    """Type and message of a ``failed`` reply; both empty when there is no body. Raises ``MessageRejected``."""
    if body is None:
        return "", ""
    data = cast("dict[str, str]", decode_body(body, FAILURE, lambda _: None))
    return data["type"], data["message"]


def decode_progress(headers: HeaderReader, value: bytes | None) -> str | None:
    """The text of a ``progress`` reply; None when it has none that can be read: it counts whatever it says."""
    try:
        body = body_of(headers, value)
        return None if body is None else cast("str", decode_body(body, PROGRESS, lambda _: None))[:PROGRESS_MAX]
    except MessageRejected:
        return None
