"""Whatever Kafka hands us: a parser gives a value or ``MessageRejected``, and nothing else ever.

The numbers of examples are for every day; with 6,000 each, all of it held as well (nine minutes).
"""

import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import JournalCorrupt, MessageRejected
from orchestrator.wire import headers as names
from orchestrator.wire.avro import Codec, codec_for
from orchestrator.wire.body import body_of, decode_body
from orchestrator.wire.command import CommandTemplate, command_body, parse_command
from orchestrator.wire.definitions import parse_definition
from orchestrator.wire.headers import HeaderReader
from orchestrator.wire.journal import ENTRY, FOOTER, JournalEntry, entry_record, parse_entry, parse_footer
from orchestrator.wire.outbox import OUTBOX, decode_records
from orchestrator.wire.outcome import OUTCOME, RequestAnswered, outcome_record, parse_outcome
from orchestrator.wire.quarantine import quarantine_record
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.registry import SchemaRegistry, schema_record
from orchestrator.wire.reply import FAILURE, decode_failure, failed, parse_reply, reply_record
from orchestrator.wire.request import REQUEST, CancelSaga, parse_request, request_record
from orchestrator.wire.shape import Mismatch
from orchestrator.wire.topics import Topics
from orchestrator.wire.tree import parse_json
from tests.unit.wire.samples import (
    EVERYTHING,
    EVERYTHING_DATA,
    WITHDRAW,
    SentCommand,
    incoming,
    outbox_row,
    received,
    schemas_with_data,
)

pytestmark = pytest.mark.slow
TOPICS: Final = Topics("ns")
CODEC: Final = codec_for(EVERYTHING)
COMMAND: Final = CommandTemplate(TOPICS, 3, "bank.Withdraw", "bank", WITHDRAW).record(
    SentCommand(body={"account": "A", "amount": Decimal(1)}), partition=0, seq=1, index=0, time_ms=0
)
GOOD: Final[list[OutgoingRecord]] = [
    COMMAND,
    reply_record(parse_command(received(COMMAND)), failed("E", "m", retryable=True), 0),
    request_record(TOPICS, 16, CancelSaga(request_id="r", saga_id="t"), 0),
    outcome_record(TOPICS, 3, RequestAnswered(request_id="r", saga_id="t", result="already", text=""), 0),
    entry_record(TOPICS, 3, JournalEntry(1, "t", 1, (("SagaStarted", "{}"),), ("x", 1, 2))),
    schema_record(TOPICS, WITHDRAW),
]

PARSERS: Final[list[Callable[[IncomingRecord], object]]] = [
    parse_command,
    lambda record: decode_body(command_body(record), CODEC, lambda _: WITHDRAW),
    parse_reply,
    lambda record: decode_body(body_of(HeaderReader(record), record.value), CODEC, lambda _: EVERYTHING),
    lambda record: decode_failure(body_of(HeaderReader(record), record.value)),
    parse_request,
    parse_outcome,
    lambda record: parse_entry(record.value),
    lambda record: parse_footer(record.value),
    parse_definition,
    lambda record: SchemaRegistry().learn(record),
    lambda record: CODEC.decode(record.value or b""),
    lambda record: CODEC.decode_written_with(record.value or b"", WITHDRAW),
    lambda record: CODEC.decode_json(record.value or b""),
]

known_names = [value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)]
header_values = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=10).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from([value for record in GOOD for _, value in record.headers]),
    st.sampled_from([b"application/json", b"application/avro", b"saga.StartSaga", b"completed", b"true", b"-1"]),
)
fuzzed_headers = st.lists(
    st.tuples(st.sampled_from(known_names) | st.text(max_size=5), header_values), max_size=20
).map(tuple)
prefixes = [codec.prefix for codec in (CODEC, FAILURE, REQUEST, OUTCOME, ENTRY, FOOTER)]
fuzzed_values = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.tuples(st.sampled_from(prefixes), st.binary(max_size=60)).map(b"".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda tree: json.dumps(tree).encode()),
)


def survives(parse: Callable[[Any], object], argument: object) -> None:
    with contextlib.suppress(MessageRejected):
        parse(argument)


@settings(max_examples=200)
@given(fuzzed_headers, fuzzed_values, st.none() | st.binary(max_size=20))
def test_random_records_are_read_or_rejected(headers: Headers, value: bytes | None, key: bytes | None) -> None:
    for parse in PARSERS:
        survives(parse, incoming(headers, value, key))


@settings(max_examples=150)
@given(st.data())
def test_a_good_record_with_one_thing_wrong_is_read_or_rejected(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(GOOD))
    headers = list(record.headers)
    place = data.draw(st.integers(0, len(headers) - 1))
    match data.draw(st.sampled_from(["value", "name", "gone", "double"])):
        case "value":
            headers[place] = headers[place][0], data.draw(header_values)
        case "name":
            headers[place] = data.draw(st.text(max_size=5)), headers[place][1]
        case "gone":
            del headers[place]
        case _:
            headers.append((headers[place][0], data.draw(header_values)))
    broken = incoming(tuple(headers), mutated(data, record.value or b""), record.key)
    for parse in PARSERS:
        survives(parse, broken)
    quarantine_record(TOPICS, 3, broken, "r", "t")


def mutated(data: st.DataObject, value: bytes) -> bytes:
    if not value:
        return value
    at = data.draw(st.integers(0, len(value) - 1))
    match data.draw(st.sampled_from(["as it is", "flipped", "cut", "longer"])):
        case "flipped":
            return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]
        case "cut":
            return value[:at]
        case "longer":
            return value[:at] + data.draw(st.binary(min_size=1, max_size=12)) + value[at:]
        case _:
            return value


@settings(max_examples=200)
@given(schemas_with_data, st.data())
def test_a_damaged_body_is_read_or_rejected_and_what_is_read_fits(case: Any, data: st.DataObject) -> None:
    schema, value = case
    codec = Codec(schema)
    body = codec.encode(value)
    damaged = body[:10] + mutated(data, body[10:])
    with contextlib.suppress(MessageRejected):
        codec.encode(codec.decode(damaged))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_outbox_row_is_read_or_is_corrupt(data: st.DataObject) -> None:
    row = outbox_row(*GOOD)
    with contextlib.suppress(JournalCorrupt):
        decode_records(OUTBOX.prefix + mutated(data, row[10:]))


@settings(max_examples=150)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_json_or_a_value_error(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_json(text)


SCHEMA_TEXT: Final = json.dumps(EVERYTHING)
words = sorted({*SCHEMA_TEXT.replace('"', " ").replace(",", " ").split(), "null", "float", "fixed", "[]", "{}", "7"})


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_schema_is_a_codec_or_a_value_error(data: st.DataObject) -> None:
    """A part of a schema replaced by another part of it, or by anything."""
    tree = json.loads(SCHEMA_TEXT)
    node: Any = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and node[key] and data.draw(st.booleans()):
            node = node[key]
            continue
        match data.draw(st.sampled_from(["gone", "word", "number", "list", "object", "null"])):
            case "gone":
                del node[key]
            case "word":
                node[key] = data.draw(st.sampled_from(words))
            case "number":
                node[key] = data.draw(st.integers(-(2**70), 2**70))
            case "list":
                node[key] = [data.draw(st.sampled_from(words))]
            case "object":
                node[key] = {data.draw(st.sampled_from(words)): data.draw(st.sampled_from(words))}
            case _:
                node[key] = None
        break
    with contextlib.suppress(ValueError):
        codec = Codec(tree)
        with contextlib.suppress(Mismatch):
            codec.encode(EVERYTHING_DATA)
