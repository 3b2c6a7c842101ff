"""What a load cost: records, transactions and bytes of Kafka and Postgres, processor time and memory of each process.

Readings are taken before and after; nothing here slows down what is measured.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg
from confluent_kafka import Consumer, TopicPartition

from orchestrator.broker.admin import Admin
from orchestrator.broker.configuration import Connection
from orchestrator.broker.inputs import record_of
from orchestrator.wire.journal import is_footer

MEGABYTE: Final = 1 << 20
STATISTICS_S: Final = 1.5
"""Postgres' backends report what they did at most once a second."""

Place = tuple[str, int]


# ---------------------------------------------------------------- Kafka


class KafkaMeter:
    """Ends of partitions, and bytes of a record in each topic."""

    def __init__(self, kafka: str, partitions: Mapping[str, int], logs: Path) -> None:
        """``logs`` is the broker's log directory, on this computer."""
        self._kafka = kafka
        self._places = [(topic, partition) for topic, count in partitions.items() for partition in range(count)]
        self._logs = logs
        self._admin = Admin(Connection(kafka))

    def ends(self) -> dict[Place, int]:
        """The end of each partition."""
        return dict(zip(self._places, self._admin.high_watermarks(self._places), strict=True))

    def bytes_between(self, before: Mapping[Place, int], after: Mapping[Place, int]) -> int:
        """Bytes on disk of what was written; of deleted segments, as large as those that are left."""
        return round(sum((after[place] - before[place]) * self._bytes_a_record(place, after[place]) for place in after))

    def _bytes_a_record(self, place: Place, end: int) -> float:
        segments = sorted((self._logs / f"{place[0]}-{place[1]}").glob("*.log"))
        if not segments:
            return 0.0
        first = int(segments[0].stem)  # a segment is named after its first offset
        return sum(segment.stat().st_size for segment in segments) / max(end - first, 1)

    def transactions_between(self, journal: str, before: Mapping[Place, int], after: Mapping[Place, int]) -> int:
        """How many footers the journal got: one for each transaction."""
        left = {place[1]: end for place, end in after.items() if place[0] == journal and end > before[place]}
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": "meter", "enable.partition.eof": True})
        consumer.assign([TopicPartition(journal, partition, before[journal, partition]) for partition in left])
        footers = 0
        try:
            while left:
                for message in consumer.consume(10_000, 1.0):
                    partition, offset = message.partition(), message.offset()
                    assert partition is not None
                    assert offset is not None
                    if message.error() is None:
                        footers += is_footer(record_of(message))
                        offset += 1
                    if offset >= left.get(partition, offset + 1):
                        del left[partition]
        finally:
            consumer.close()
        return footers


# ---------------------------------------------------------------- Postgres


@dataclass(frozen=True, slots=True)
class PostgresReading:
    """Counters since the server started."""

    transactions: int
    """Of the orchestrator's database, committed and rolled back."""
    wal_bytes: int
    """Of the whole server: whatever the participant's database writes is in it."""


def read_postgres(database: str) -> PostgresReading:
    """The counters as they are, once everything done before is in them."""
    time.sleep(STATISTICS_S)
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(
            "select xact_commit + xact_rollback, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
            " from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return PostgresReading(int(row[0]), int(row[1]))


# ---------------------------------------------------------------- processes


class ProcessMeter:
    """Processor time and memory of processes, each with everything it started."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        """Process ids by name; this process is added as ``driver``."""
        self._pids = dict(pids)

    def pid(self, name: str) -> int:
        """The process id of one."""
        return self._pids[name]

    def cpu_s(self) -> dict[str, float]:
        """Processor time of each, in seconds since it started."""
        used = {name: _cpu_s(pid, descend=True) for name, pid in self._pids.items()}
        return {**used, "driver": _cpu_s(os.getpid(), descend=False)}

    def memory_mb(self, name: str) -> float:
        """Resident memory of one."""
        return round(psutil.Process(self._pids[name]).memory_info().rss / MEGABYTE, 1)


def _cpu_s(pid: int, *, descend: bool) -> float:
    process = psutil.Process(pid)
    used = 0.0
    for member in [process, *(process.children(recursive=True) if descend else ())]:
        times = member.cpu_times()
        used += times.user + times.system
    return used
