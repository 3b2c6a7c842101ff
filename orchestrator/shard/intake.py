"""What a record from the inputs means: a request or a reply, of which saga, and what the engine is to decide on.

In two passes. ``open`` reads headers, and a request's own body, so that all sagas of a batch are loaded at once; then
``start``, ``operation`` and ``reply`` decode what is the author's, with the schemas of the saga's own blueprint. What
cannot be used raises ``MessageRejected``: to quarantine.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, assert_never

from orchestrator.blueprint.ids import fault_of_saga_id
from orchestrator.blueprint.model import Json, Message
from orchestrator.blueprint.values import Data
from orchestrator.engine.decision import RequestAnswer
from orchestrator.engine.events import Role
from orchestrator.engine.inputs import CancelSaga, Input, ReplyReceived, ReplyUnreadable, RetrySaga, StartSaga
from orchestrator.engine.program import Program
from orchestrator.engine.state import SagaState
from orchestrator.errors import DefinitionMissing, MessageRejected
from orchestrator.shard.catalogue import Catalogue
from orchestrator.wire import request as asked
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.body import Body, body_of, decode_body
from orchestrator.wire.headers import place_of
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.reply import ReceivedReply, decode_failure, decode_progress, parse_reply
from orchestrator.wire.request import Request, parse_request
from orchestrator.wire.topics import Topics

Opened: TypeAlias = Request | ReceivedReply

RETRY_AFTER_MAX_MS: Final = 24 * 3_600 * 1_000
"""A participant that asks for a longer pause is asked again after a day: nobody would see the saga wait."""


class Intake:
    """See the module; knows schemas and blueprints, no saga."""

    def __init__(self, topics: Topics, catalogue: Catalogue) -> None:
        self._topics = topics
        self._catalogue = catalogue
        self._refreshed = False

    def begin_batch(self) -> None:
        """The batch's records were read: whatever they need was published before, so one refresh finds it."""
        self._refreshed = False

    def open(self, record: IncomingRecord) -> Opened:
        """The headers, typed. Raises ``MessageRejected``."""
        return parse_request(record) if record.topic == self._topics.requests else parse_reply(record)

    def program(self, hash_: str) -> Program:
        """The program that a saga in flight is on. Raises ``DefinitionMissing``."""
        found = self._catalogue.program(hash_) or (self._catalogue.program(hash_) if self._refresh() else None)
        if found is None:
            raise DefinitionMissing(
                f"expected the definition {hash_} in {self._topics.definitions}, which sagas in flight are on, it is "
                f"not there: the topic was emptied; deploy the same files again (`saga deploy`), and the shard goes on"
            )
        return found

    def start(
        self, request: asked.StartSaga, state: SagaState | None, now_ms: int
    ) -> tuple[StartSaga, Program] | RequestAnswer:
        """What to decide on, and with which program; or the answer, where there is nothing to decide."""
        fault = fault_of_saga_id(request.saga_id)
        if fault is not None:
            return _answer(request, "refused", f"the saga id {request.saga_id!r}: {fault}")
        if state is not None and state.saga == request.saga:
            program = self.program(state.blueprint)
        else:
            active = self._active(request.saga)
            if active is None:
                text = f"no saga {request.saga!r} is deployed in {self._topics.definitions}: run `saga deploy`"
                return _answer(request, "unknown_definition", text)
            program = active
        blueprint = program.blueprint
        try:
            given = self._decode(request.input, codec_for(blueprint.schemas[blueprint.input]))
        except MessageRejected as error:
            return _answer(request, "refused", f"the input of {request.saga}: {error}")
        return (
            StartSaga(
                request_id=request.request_id, saga_id=request.saga_id, saga=request.saga, input=given, now_ms=now_ms
            ),
            program,
        )

    def operation(self, request: asked.CancelSaga | asked.RetrySaga, now_ms: int) -> CancelSaga | RetrySaga:
        """What an operator's request asks to decide on."""
        match request:
            case asked.CancelSaga():
                return CancelSaga(request_id=request.request_id, saga_id=request.saga_id, now_ms=now_ms)
            case asked.RetrySaga():
                return RetrySaga(request_id=request.request_id, saga_id=request.saga_id, now_ms=now_ms)
            case _:
                assert_never(request)

    def reply(self, record: IncomingRecord, reply: ReceivedReply, program: Program, now_ms: int) -> Input:
        """What to decide on; an answer that cannot be read is a ``ReplyUnreadable``: the caller quarantines it, too.

        Raises ``MessageRejected`` when it answers no command of this saga's blueprint.
        """
        message, role = _command_of(reply, program, record)
        try:
            kind, body = self._answer_body(record, reply, message, role, program.blueprint.schemas)
        except MessageRejected as error:
            return ReplyUnreadable(
                saga_id=reply.saga_id,
                command_id=reply.command_id,
                reason=error.reason,
                text=str(error),
                now_ms=now_ms,
            )
        return ReplyReceived(
            saga_id=reply.saga_id,
            command_id=reply.command_id,
            attempt=reply.attempt,
            outcome=reply.outcome,
            type=kind,
            body=body,
            retryable=reply.retryable,
            retry_after_ms=min(reply.retry_after_ms, RETRY_AFTER_MAX_MS),
            no_effect=reply.no_effect,
            now_ms=now_ms,
        )

    def _answer_body(
        self, record: IncomingRecord, reply: ReceivedReply, message: Message, role: Role, schemas: Mapping[str, Json]
    ) -> tuple[str, Data]:
        match reply.outcome:
            case "completed":
                if role == "undo" or message.reply is None:
                    return reply.type, None
                if role == "probe" and reply.skipped:
                    return reply.type, None
                return reply.type, self._decode(body_of(reply.headers, record.value), codec_for(schemas[message.reply]))
            case "rejected":
                schema_id = message.rejections.get(reply.type)
                if schema_id is None:
                    known = ", ".join(message.rejections) or "none"
                    raise MessageRejected(
                        "wrong_type",
                        f"expected a rejection that {message.type} declares ({known}), got {reply.type!r}, in "
                        f"{place_of(record)}: declare it in the command, or mend the participant",
                    )
                return reply.type, self._decode(body_of(reply.headers, record.value), codec_for(schemas[schema_id]))
            case "failed":
                return decode_failure(body_of(reply.headers, record.value))
            case "progress":
                return reply.type, decode_progress(reply.headers, record.value)
            case _:
                assert_never(reply.outcome)

    def _decode(self, body: Body | None, codec: Codec) -> Data:
        try:
            return decode_body(body, codec, self._catalogue.schema)
        except MessageRejected as error:
            if error.reason != "unknown_schema" or not self._refresh():
                raise
        return decode_body(body, codec, self._catalogue.schema)

    def _active(self, name: str) -> Program | None:
        found = self._catalogue.active(name)
        if found is None and self._refresh():
            found = self._catalogue.active(name)
        return found

    def _refresh(self) -> bool:
        """Read definitions and schemas to an end fetched after the batch was read; once a batch is enough."""
        if self._refreshed:
            return False
        self._catalogue.refresh()
        self._refreshed = True
        return True


def _answer(request: asked.StartSaga, result: Literal["refused", "unknown_definition"], text: str) -> RequestAnswer:
    return RequestAnswer(request_id=request.request_id, saga_id=request.saga_id, result=result, text=text)


def _command_of(reply: ReceivedReply, program: Program, record: IncomingRecord) -> tuple[Message, Role]:
    """The message and role that a command id names: ``{saga id}/{step}/{generation}/{role}``."""
    parts = reply.command_id.removeprefix(f"{reply.saga_id}/").rsplit("/", 2)
    step = program.steps.get(parts[0])
    if step is not None:
        match parts[1:]:
            case [_, "do"]:
                return step.do.message, "do"
            case [_, "undo"] if step.undo is not None:
                return step.undo.message, "undo"
            case [_, "probe"] if step.probe is not None:
                return step.probe.message, "probe"
            case _:
                pass
    raise MessageRejected(
        "unknown_command",
        f"expected the id of a command of {program.blueprint.name}, got {reply.command_id!r}, in {place_of(record)}",
    )
