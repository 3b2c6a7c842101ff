"""Schemas by their id, as the schemas topic says: key = schema id, value = canonical text. Reads no topic itself."""

from decimal import Decimal
from typing import cast

from orchestrator.blueprint.avro import canonical_text, schema_id
from orchestrator.blueprint.model import Json
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec
from orchestrator.wire.headers import CONTENT_TYPE, JSON, place_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics
from orchestrator.wire.tree import parse_json


def schema_record(topics: Topics, schema: Json) -> OutgoingRecord:
    """The record that publishes ``schema``; written before its first use."""
    headers = ((CONTENT_TYPE, JSON.encode()),)
    return OutgoingRecord(topics.schemas, 0, schema_id(schema).encode(), headers, canonical_text(schema).encode())


class SchemaRegistry:
    """Every schema learnt; a schema never changes, for its id is its digest."""

    def __init__(self) -> None:
        self._schemas: dict[str, Json] = {}

    def learn(self, record: IncomingRecord) -> None:
        """Take the schema in a record of the schemas topic.

        Raises ``MessageRejected`` for one that is no schema of messages, or whose id is not its key.
        """
        key = (record.key or b"").decode(errors="replace")
        if key in self._schemas:
            return
        place = place_of(record)
        try:
            tree = parse_json(record.value or b"")
            if isinstance(tree, Decimal):
                raise ValueError(f"the number {tree}")  # noqa: TRY004 - found in a message, not given by a caller
            # A canonical text has no number with a fraction, and so its tree is Json.
            codec = Codec(cast("Json", tree))
        except ValueError as error:
            raise MessageRejected("undecodable", f"expected an Avro schema, got {error}, in {place}") from error
        if codec.schema_id != key:
            raise MessageRejected(
                "wrong_schema_id", f"expected the key {codec.schema_id}, got {key[:80]!r}, in {place}"
            )
        self._schemas[key] = codec.schema

    def get(self, schema_id: str) -> "Json | None":
        """The schema with this id; None when it was not published, or is not read yet."""
        return self._schemas.get(schema_id)
