"""Outcomes: the answer to every request, and how every root saga ended; both for whoever waits."""

from typing import Final, Literal, TypeAlias, assert_never, cast

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, body_of, decode_body
from orchestrator.wire.headers import SUBJECT, HeaderReader, avro_headers, envelope, source_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.schemas import own_schema
from orchestrator.wire.topics import Topics

OUTCOME: Final = codec_for(own_schema("outcome"))
_BODY: Final = avro_headers(OUTCOME.schema_id)

ANSWERED: Final = "saga.RequestAnswered"
ENDED: Final = "saga.SagaEnded"

RequestResult = Literal["accepted", "already", "conflict", "unknown_definition", "refused"]
EndStatus = Literal["completed", "compensated"]


@frozen(kw_only=True)
class RequestAnswered:
    """What became of a request."""

    request_id: str
    saga_id: str
    result: RequestResult
    text: str
    """What differs, or why; when accepted, what it waits for, or nothing."""


@frozen(kw_only=True)
class SagaEnded:
    """How a saga ended."""

    saga_id: str
    saga: str
    status: EndStatus
    output: AvroBody | None
    """When completed, and the saga returns something."""
    rejection_type: str | None
    """When compensated because of a rejection: its Avro full name."""
    rejection: AvroBody | None
    reason: str
    """When compensated: why, for a person."""
    started_ms: int
    ended_ms: int


Outcome: TypeAlias = RequestAnswered | SagaEnded


def outcome_record(topics: Topics, shard: int, outcome: Outcome, time_ms: int) -> OutgoingRecord:
    """The record of ``outcome``, on the shard's own partition."""
    message_type, event_id, data = _data_of(outcome)
    saga_id = outcome.saga_id.encode()
    headers = envelope(event_id, message_type, source_of(topics.namespace, shard), saga_id, time_ms)
    return OutgoingRecord(topics.outcomes, shard, saga_id, (*headers, *_BODY), OUTCOME.encode(data))


def _data_of(outcome: Outcome) -> tuple[str, str, Data]:
    match outcome:
        case RequestAnswered():
            answer: Data = {
                RECORD_NAME: ANSWERED,
                "request_id": outcome.request_id,
                "result": outcome.result,
                "text": outcome.text,
            }
            return ANSWERED, f"{outcome.request_id}/answer", answer
        case SagaEnded():
            output, rejection = outcome.output, outcome.rejection
            end: Data = {
                RECORD_NAME: ENDED,
                "saga": outcome.saga,
                "status": outcome.status,
                "output_schema": output.schema_id if output else None,
                "output": output.value if output else None,
                "rejection_type": outcome.rejection_type,
                "rejection_schema": rejection.schema_id if rejection else None,
                "rejection": rejection.value if rejection else None,
                "reason": outcome.reason,
                "started_ms": outcome.started_ms,
                "ended_ms": outcome.ended_ms,
            }
            return ENDED, f"{outcome.saga_id}/end", end
        case _:
            assert_never(outcome)


def parse_outcome(record: IncomingRecord) -> Outcome:
    """The outcome in ``record``. Raises ``MessageRejected``."""
    headers = HeaderReader(record)
    saga_id = headers.text(SUBJECT, "a saga's id")
    data = cast("dict[str, Data]", decode_body(body_of(headers, record.value), OUTCOME, lambda _: None))
    if data[RECORD_NAME] == ANSWERED:
        return RequestAnswered(
            request_id=cast("str", data["request_id"]),
            saga_id=saga_id,
            result=cast("RequestResult", data["result"]),
            text=cast("str", data["text"]),
        )
    return SagaEnded(
        saga_id=saga_id,
        saga=cast("str", data["saga"]),
        status=cast("EndStatus", data["status"]),
        output=_body(data, "output"),
        rejection_type=cast("str | None", data["rejection_type"]),
        rejection=_body(data, "rejection"),
        reason=cast("str", data["reason"]),
        started_ms=cast("int", data["started_ms"]),
        ended_ms=cast("int", data["ended_ms"]),
    )


def _body(data: dict[str, Data], name: str) -> AvroBody | None:
    schema_id, value = data[f"{name}_schema"], data[name]
    if schema_id is None and value is None:
        return None
    if not isinstance(schema_id, str) or not isinstance(value, bytes):
        raise MessageRejected("undecodable", f"expected {name} and {name}_schema, got one of them, in {ENDED}")
    return AvroBody(schema_id, value)
