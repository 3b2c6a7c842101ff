"""The registry: a schema's id is its digest, and nothing else is learnt."""

import json

import pytest

from orchestrator.blueprint.avro import canonical_schema, schema_id
from orchestrator.blueprint.model import Json
from orchestrator.errors import MessageRejected
from orchestrator.wire.record import OutgoingRecord
from orchestrator.wire.registry import SchemaRegistry, schema_record
from orchestrator.wire.topics import Topics
from tests.unit.wire.samples import EVERYTHING, WITHDRAW, incoming, received

TOPICS = Topics("ns")


def test_golden_record() -> None:
    assert schema_record(TOPICS, {"type": "array", "items": {"type": "string"}, "doc": "x"}) == OutgoingRecord(
        topic="ns.schemas",
        partition=0,
        key=schema_id({"type": "array", "items": "string"}).encode(),
        headers=(("content-type", b"application/json"),),
        value=b'{"items":"string","type":"array"}',
    )


@pytest.mark.parametrize("schema", [WITHDRAW, EVERYTHING, "string"])
def test_what_is_published_is_learnt(schema: Json) -> None:
    registry = SchemaRegistry()
    registry.learn(received(schema_record(TOPICS, schema)))
    registry.learn(received(schema_record(TOPICS, schema)))
    assert registry.get(schema_id(schema)) == canonical_schema(schema)


def test_what_was_not_published_is_not_known() -> None:
    assert SchemaRegistry().get(schema_id(WITHDRAW)) is None


def test_a_schema_under_another_key_is_refused() -> None:
    registry = SchemaRegistry()
    text = json.dumps(WITHDRAW).encode()
    with pytest.raises(MessageRejected, match=f"expected the key {schema_id(WITHDRAW)}, got 'abc', in ns.replies/3/42"):
        registry.learn(incoming((), text, b"abc"))
    assert registry.get("abc") is None


@pytest.mark.parametrize("value", [None, b"", b"{", b"7", b'"float"', b'{"type": "record"}', b"[" * 100_000, b"1.5"])
def test_what_is_no_schema_is_refused(value: bytes | None) -> None:
    with pytest.raises(MessageRejected, match="expected an Avro schema, got .*, in ns.replies/3/42") as raised:
        SchemaRegistry().learn(incoming((), value, b"x"))
    assert raised.value.reason == "undecodable"
