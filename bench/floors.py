"""What this machine can do at all: Postgres commits and COPY, Kafka messages and transactions, Avro bodies.

``python -m bench.floors [--json]`` starts a stack of its own. Every figure of ``bench.transfer`` is read as a ratio to
these, measured in the same run.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import fastavro
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from orchestrator.local.stack import LocalStack
from orchestrator.wire.avro import codec_for

if TYPE_CHECKING:
    from concurrent.futures import Future

    from orchestrator.blueprint.model import Json
    from orchestrator.blueprint.values import Data

_QUIET: Final = {"log_level": 2}
"""librdkafka's own lines would stand between the progress; what matters comes back as an error."""
_AVRO: "Json" = {
    "type": "record",
    "name": "bank.Withdraw",
    "fields": [
        {"name": "account", "type": "string"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 9}},
    ],
}


def measure(kafka: str, database: str) -> dict[str, float]:
    """Every floor, in the units of its name; ``kafka`` and ``database`` are this machine's own servers."""
    return {**_postgres(database), **_kafka(kafka), **_avro()}


def _median_ms(count: int, once: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        once()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 3)


def _postgres(database: str) -> dict[str, float]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table floor (id bigint, body bytea)")

        def commit() -> None:
            connection.execute("insert into floor values (1, %s)", (b"x" * 100,))

        found = {"postgres_commit_ms": _median_ms(300, commit)}
        for batch, batches in ((100, 50), (10_000, 5)):
            began = time.perf_counter()
            for _ in range(batches):
                with connection.cursor() as cursor, cursor.copy("copy floor from stdin") as copy:
                    copy.write("1\t\\\\x7878787878787878787878787878787878787878\n" * batch)
            found[f"postgres_copy_rows_per_second_{batch}"] = round(batch * batches / (time.perf_counter() - began))
        connection.execute("drop table floor")
    return found


def _kafka(kafka: str) -> dict[str, float]:
    admin = AdminClient({"bootstrap.servers": kafka, **_QUIET})
    topics = [NewTopic(name, num_partitions=1, replication_factor=1) for name in ("floor-a", "floor-b")]
    made = cast("dict[str, Future[None]]", admin.create_topics(topics))  # pyright: ignore[reportUnknownMemberType] - its annotations leave out the result
    for future in made.values():
        future.result(30)
    settings = {"bootstrap.servers": kafka, "isolation.level": "read_committed", "group.id": "floor", **_QUIET}
    reader = Consumer({**settings, "enable.auto.commit": False, "fetch.wait.max.ms": 500})
    reader.assign([TopicPartition("floor-a", 0, 0)])
    try:
        return {**_messages(kafka, reader), **_transactions(kafka, reader)}
    finally:
        reader.close()


def _read(reader: Consumer, count: int) -> None:
    seen = 0
    until = time.monotonic() + 30
    while seen < count:
        if time.monotonic() > until:
            raise SystemExit(f"expected {count} messages from Kafka within 30 s, got {seen}")
        message = reader.poll(1.0)
        if message is not None and message.error() is None:
            seen += 1
            seen += len(reader.consume(count - seen, 0)) if seen < count else 0


def _messages(kafka: str, reader: Consumer) -> dict[str, float]:
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 0, **_QUIET})

    def message() -> None:
        producer.produce("floor-a", b"x" * 200, partition=0)
        _read(reader, 1)

    message()
    found = {"kafka_message_ms": _median_ms(200, message)}
    producer.flush(10)
    return found


def _transactions(kafka: str, reader: Consumer) -> dict[str, float]:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": "floor", "linger.ms": 0, **_QUIET})
    producer.init_transactions(30)

    def transaction(messages: int = 1) -> None:
        producer.begin_transaction()
        for _ in range(messages):
            producer.produce("floor-a", b"x" * 200, partition=0)
        producer.produce("floor-b", b"x" * 200, partition=0)
        producer.commit_transaction(30)
        _read(reader, messages)

    transaction()
    spaced: list[float] = []
    for _ in range(40):
        began = time.perf_counter()
        transaction()
        spaced.append((time.perf_counter() - began) * 1000)
        time.sleep(0.03)  # what is measured is a transaction after a pause, not the end of a wait
    found = {"kafka_transaction_spaced_ms": round(statistics.median(spaced), 3)}
    found["kafka_transaction_back_to_back_ms"] = _median_ms(100, transaction)
    for messages in (1_000, 5_000):
        took_ms = _median_ms(5, lambda messages=messages: transaction(messages))
        found[f"kafka_transaction_messages_per_second_{messages}"] = round(messages / took_ms * 1000)
    return found


def _avro() -> dict[str, float]:
    schema: Any = fastavro.parse_schema(cast("Any", _AVRO))
    codec = codec_for(_AVRO)
    data: Data = {"account": "alice", "amount": Decimal("12.340000000")}
    body = codec.encode(data)

    def fastavro_encode() -> None:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, data)  # pyright: ignore[reportUnknownMemberType] - its annotations are incomplete

    def fastavro_decode() -> None:
        fastavro.schemaless_reader(io.BytesIO(body[10:]), schema, None)  # pyright: ignore[reportUnknownMemberType]

    timed: dict[str, Callable[[], object]] = {
        "avro_encode_us": lambda: codec.encode(data),
        "avro_decode_us": lambda: codec.decode(body),
        "fastavro_encode_us": fastavro_encode,
        "fastavro_decode_us": fastavro_decode,
    }
    return {name: _microseconds(once) for name, once in timed.items()}


def _microseconds(once: Callable[[], object], count: int = 20_000) -> float:
    began = time.perf_counter()
    for _ in range(count):
        once()
    return round((time.perf_counter() - began) / count * 1e6, 2)


def main() -> None:
    """Measure on a stack of its own, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.floors", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, LocalStack(Path(directory)) as stack:
        found = measure(stack.kafka, stack.database)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            sys.stdout.write(f"{name:48} {value:>12,}\n")


if __name__ == "__main__":
    main()
