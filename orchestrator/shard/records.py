"""The Kafka records of what was decided: commands, answers, outcomes. Only makes them, and keeps nothing of a saga."""

from collections.abc import Mapping
from typing import Final

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.engine.decision import Command, Outcome, RequestAnswer
from orchestrator.engine.program import Program
from orchestrator.shard.limits import Limits
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody
from orchestrator.wire.command import CommandTemplate
from orchestrator.wire.outcome import RequestAnswered, SagaEnded, outcome_record
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.topics import Topics

TEXT_MAX: Final = 4_000
"""Characters of an answer's text and of an outcome's reason: both may quote what somebody sent."""


class Records:
    """One shard's; each message type is compiled once."""

    def __init__(self, topics: Topics, shard: int, limits: Limits) -> None:
        self._topics = topics
        self._shard = shard
        self._limits = limits
        self._templates: dict[str, CommandTemplate] = {}
        """Schema id of the command -> its template."""

    def command(self, command: Command, program: Program, place: tuple[int, int], now_ms: int) -> OutgoingRecord | str:
        """One attempt of one command, ``place`` being batch and index in it; or why it cannot be sent."""
        message = command.message
        template = self._templates.get(message.schema)
        if template is None:
            schema = program.blueprint.schemas[message.schema]
            template = CommandTemplate(self._topics, self._shard, message.type, message.participant, schema)
            self._templates[message.schema] = template
        partitions = self._limits.partitions(template.topic)
        if isinstance(partitions, str):
            return partitions
        seq, index = place
        partition = partition_of(command.key, partitions)
        try:
            record = template.record(command, partition=partition, seq=seq, index=index, time_ms=now_ms)
        except ValueError as error:
            return f"the body does not fit its schema: {error}"
        return self._limits.problem(record) or record

    def answer(self, answer: RequestAnswer, now_ms: int) -> OutgoingRecord:
        """The answer to a request."""
        answered = RequestAnswered(
            request_id=answer.request_id, saga_id=answer.saga_id, result=answer.result, text=answer.text[:TEXT_MAX]
        )
        return outcome_record(self._topics, self._shard, answered, now_ms)

    def outcome(self, outcome: Outcome, program: Program, started_ms: int, now_ms: int) -> OutgoingRecord | str:
        """How a saga ended; or why it cannot be told."""
        schemas = program.blueprint.schemas
        try:
            ended = SagaEnded(
                saga_id=outcome.saga_id,
                saga=outcome.saga,
                status=outcome.status,
                output=_body(outcome.output_schema, outcome.result, schemas) if outcome.status == "completed" else None,
                rejection_type=outcome.rejection_type,
                rejection=_body(outcome.rejection_schema, outcome.rejection, schemas),
                reason=outcome.reason[:TEXT_MAX],
                started_ms=started_ms,
                ended_ms=now_ms,
            )
        except ValueError as error:
            return f"an outcome that does not fit its schema: {error}"
        record = outcome_record(self._topics, self._shard, ended, now_ms)
        problem = self._limits.problem(record)
        return record if problem is None else f"an outcome that cannot be sent: {problem}"


def _body(schema_id: str | None, data: Data, schemas: Mapping[str, Json]) -> AvroBody | None:
    return None if schema_id is None else AvroBody(schema_id, codec_for(schemas[schema_id]).encode(data))
