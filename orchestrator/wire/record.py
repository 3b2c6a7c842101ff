"""Records as they cross Kafka: bytes, without meaning."""

from dataclasses import dataclass, field
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to be produced; the partition is always computed by us, never left to a client's default."""

    topic: str
    partition: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    """None is a tombstone."""


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """A record that was read, and where."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """The broker's clock: our input topics are LogAppendTime."""
    key: bytes | None
    headers: Headers = field(default=())
    value: bytes | None = None
