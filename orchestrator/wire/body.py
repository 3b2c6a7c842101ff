"""The body of a message as it came, before anybody knows the schema it shall be read with."""

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec
from orchestrator.wire.headers import AVRO, CONTENT_TYPE, DATASCHEMA, JSON, HeaderReader


@frozen
class AvroBody:
    """Avro in single-object encoding, and the id of the schema that wrote it."""

    schema_id: str
    value: bytes


@frozen
class JsonBody:
    """JSON that is not parsed yet, for it may be wrong; the body is all of it, or one member of the object it is."""

    text: bytes
    member: str | None = None


Body: TypeAlias = AvroBody | JsonBody

_CONTENT_TYPES: Final = f"{AVRO} or {JSON}"


def body_of(headers: HeaderReader, value: bytes | None) -> Body | None:
    """The body that the headers speak of; None when the record has no value. Raises ``MessageRejected``."""
    if not value:
        return None
    content_type = headers.text(CONTENT_TYPE, _CONTENT_TYPES)
    match content_type if content_type == AVRO else content_type.partition(";")[0].strip().lower():
        case "application/avro":
            return AvroBody(headers.text(DATASCHEMA, "the id of the schema that wrote the body"), value)
        case "application/json":
            return JsonBody(value)
        case _:
            raise headers.refuse(CONTENT_TYPE, _CONTENT_TYPES, content_type)


def decode_body(body: Body | None, codec: Codec, schema_of: Callable[[str], Json | None]) -> Data:
    """The data of ``body`` as a value of the codec's schema; ``schema_of`` finds the schemas of other versions.

    Raises ``MessageRejected``. With the reason ``unknown_schema`` the schema may still come: the caller reads the
    schemas topic to an end fetched now, and tries once more.
    """
    match body:
        case AvroBody():
            if body.schema_id == codec.schema_id:
                return codec.decode(body.value)
            writer = schema_of(body.schema_id)
            if writer is None:
                raise MessageRejected(
                    "unknown_schema",
                    f"expected a schema that was published, got {body.schema_id}, in {codec.name}: "
                    f"deploy what writes it with its schemas, or write with {codec.schema_id}",
                )
            return codec.decode_written_with(body.value, writer)
        case JsonBody():
            return codec.decode_json(body.text, body.member)
        case None:
            raise MessageRejected("undecodable", f"expected a body, got none, in {codec.name}")
        case _:
            assert_never(body)
