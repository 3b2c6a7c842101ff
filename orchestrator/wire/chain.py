r"""The chain of batches: what a shard's history hashes to, provable from Kafka alone.

With ``frame`` the bytes that ``outbox.encode_record`` makes of a record's topic, partition, key, headers and value::

    body  = sha256(frame ‖ frame ‖ …)      of the batch's records that are not events, in order
    chain = sha256("saga-chain-1\n" ‖ previous ‖ body ‖ seq ‖ next_requests ‖ next_replies ‖ now_ms
                   ‖ owner's bytes ‖ owner ‖ events ‖ frame ‖ frame ‖ …)      frames of the batch's events, in order

``previous`` and ``body`` have 32 bytes; numbers, the lengths among them, are 8 bytes, big endian; ``owner`` is UTF-8.
A frame says its own lengths, so no two histories have the same bytes. A footer holds every part but ``previous`` and
the events, which are the footer before and the records before it. Footers are no part of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final

from orchestrator.wire.journal import is_event
from orchestrator.wire.outbox import Record, encode_record, join_frames

_VERSION: Final = b"saga-chain-1\n"
_NUMBERS: Final = Struct(">4Q")
_LENGTH: Final = Struct(">Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a batch adds to the chain besides its records."""

    seq: int
    owner: str
    next_requests: int
    next_replies: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch's records, encoded once, and what they hash to."""

    row: bytes
    """The outbox row."""
    body: bytes
    chain: bytes
    events: int


def seal(previous: bytes, link: Link, records: Iterable[Record]) -> Sealed:
    """Encode all records of a batch, in order, and chain them to ``previous``."""
    frames: list[bytes] = []
    body = sha256()
    events: list[bytes] = []
    for record in records:
        frame = encode_record(record)
        frames.append(frame)
        if is_event(record):
            events.append(frame)
        else:
            body.update(frame)
    digest = body.digest()
    return Sealed(join_frames(frames), digest, _chain(previous, link, digest, events), len(events))


def body_digest(records: Iterable[Record]) -> bytes:
    """sha256 of those records that are not events."""
    digest = sha256()
    for record in records:
        if not is_event(record):
            digest.update(encode_record(record))
    return digest.digest()


def chain(previous: bytes, link: Link, body: bytes, events: Iterable[Record]) -> bytes:
    """The chain after a batch whose event records are ``events``, as sent or as read back, in order."""
    return _chain(previous, link, body, [encode_record(event) for event in events])


def _chain(previous: bytes, link: Link, body: bytes, events: list[bytes]) -> bytes:
    assert len(previous) == len(body) == sha256().digest_size
    owner = link.owner.encode()
    digest = sha256(_VERSION)
    digest.update(previous)
    digest.update(body)
    digest.update(_NUMBERS.pack(link.seq, link.next_requests, link.next_replies, link.now_ms))
    digest.update(_LENGTH.pack(len(owner)))
    digest.update(owner)
    digest.update(_LENGTH.pack(len(events)))
    for event in events:
        digest.update(event)
    return digest.digest()
