"""Records as they cross Kafka: bytes, without meaning."""

from dataclasses import field
from typing import TypeAlias

from orchestrator.blueprint.frozen import frozen

Headers: TypeAlias = tuple[tuple[str, bytes], ...]


@frozen
class OutgoingRecord:
    """A record to be produced; the partition is always computed by us, never left to a client's default."""

    topic: str
    partition: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    """None is a tombstone."""


@frozen
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
