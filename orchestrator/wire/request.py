"""Requests: what clients and operators ask of a saga. Each is answered once, see ``outcome``."""

from typing import Final, TypeAlias, assert_never, cast

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.values import RECORD_NAME, Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody, Body, JsonBody, body_of, decode_body
from orchestrator.wire.headers import ID, SUBJECT, TYPE, HeaderReader, avro_headers, envelope
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.schemas import own_schema
from orchestrator.wire.topics import Topics
from orchestrator.wire.tree import parse_json

REQUEST: Final = codec_for(own_schema("request"))
_BODY: Final = avro_headers(REQUEST.schema_id)

START: Final = "saga.StartSaga"
CANCEL: Final = "saga.CancelSaga"
RETRY: Final = "saga.RetrySaga"


@frozen(kw_only=True)
class StartSaga:
    """Start the active version of ``saga``; the same id, saga and input again is the same saga."""

    request_id: str
    saga_id: str
    saga: str
    input: Body


@frozen(kw_only=True)
class CancelSaga:
    """Undo the saga."""

    request_id: str
    saga_id: str


@frozen(kw_only=True)
class RetrySaga:
    """Try again now what waits in an incident, or for the time of its next attempt."""

    request_id: str
    saga_id: str


Request: TypeAlias = StartSaga | CancelSaga | RetrySaga


def request_record(topics: Topics, shards: int, request: Request, time_ms: int) -> OutgoingRecord:
    """The record of ``request``, on the partition of its saga; ``shards`` is the namespace's number of them.

    Raises ``ValueError`` for a start whose input is JSON: who has the saga at hand has its schema.
    """
    message_type, data = _data_of(request)
    saga_id = request.saga_id.encode()
    headers = envelope(request.request_id, message_type, f"/{topics.namespace}".encode(), saga_id, time_ms)
    partition = partition_of(request.saga_id, shards)
    return OutgoingRecord(topics.requests, partition, saga_id, (*headers, *_BODY), REQUEST.encode(data))


def _data_of(request: Request) -> tuple[str, Data]:
    match request:
        case StartSaga(saga=saga, input=AvroBody(schema_id, value)):
            return START, {RECORD_NAME: START, "saga": saga, "schema": schema_id, "input": value}
        case StartSaga():
            raise ValueError(
                f"expected the input of saga {request.saga_id} in Avro, got JSON: encode it with its schema"
            )
        case CancelSaga():
            return CANCEL, {RECORD_NAME: CANCEL}
        case RetrySaga():
            return RETRY, {RECORD_NAME: RETRY}
        case _:
            assert_never(request)


def parse_request(record: IncomingRecord) -> Request:
    """The request in ``record``; the id it asks for is not judged here. Raises ``MessageRejected``.

    As JSON (``content-type: application/json``) a start is ``{"saga": …, "input": …}``, the others need no body.
    """
    headers = HeaderReader(record)
    message_type = headers.one_of(TYPE, (START, CANCEL, RETRY))
    request_id = headers.text(ID, "the request's id")
    saga_id = headers.text(SUBJECT, "a saga's id")
    body = body_of(headers, record.value)
    if isinstance(body, AvroBody):
        data = cast("dict[str, Data]", decode_body(body, REQUEST, lambda _: None))
        if data[RECORD_NAME] != message_type:
            raise headers.refuse(TYPE, f"{data[RECORD_NAME]} as in the body", message_type)
    else:
        data = {}
    if message_type == CANCEL:
        return CancelSaga(request_id=request_id, saga_id=saga_id)
    if message_type == RETRY:
        return RetrySaga(request_id=request_id, saga_id=saga_id)
    saga, given = _start_of(body, data)
    return StartSaga(request_id=request_id, saga_id=saga_id, saga=saga, input=given)


def _start_of(body: Body | None, data: dict[str, Data]) -> tuple[str, Body]:
    if not isinstance(body, JsonBody):
        if not data:
            raise MessageRejected("undecodable", f"expected a body, got none, in {START}")
        return cast("str", data["saga"]), AvroBody(cast("str", data["schema"]), cast("bytes", data["input"]))
    expected = f'expected {{"saga": …, "input": …}} in {START}'
    try:
        tree = parse_json(body.text)
    except ValueError as error:
        raise MessageRejected("undecodable", f"{expected}, got {error}") from error
    if not isinstance(tree, dict) or tree.keys() != {"saga", "input"} or not isinstance(tree["saga"], str):
        raise MessageRejected("undecodable", f"{expected}, got other JSON")
    return tree["saga"], JsonBody(body.text, "input")
