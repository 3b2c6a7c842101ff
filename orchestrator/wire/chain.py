r"""The chain of batches: what a shard's history hashes to, provable from Kafka alone.

With ``frame`` the bytes that ``outbox.encode_record`` makes of a record's topic, partition, key, headers and value::

    body  = sha256(frame ‖ frame ‖ …)      of the batch's records that are not entries, in order
    chain = sha256("saga-chain-1\n" ‖ previous ‖ body ‖ seq ‖ next_requests ‖ next_replies ‖ now_ms
                   ‖ owner's bytes ‖ owner ‖ entries ‖ frame ‖ frame ‖ …)    frames of the batch's entries, in order

``entries`` is how many there are; ``previous`` and ``body`` have 32 bytes; ``owner`` is UTF-8; numbers, the lengths
among them, are 8 bytes, big endian. A frame says its own lengths, so no two histories have the same bytes. A footer
holds every part but ``previous`` and the entries, which are the footer before and the records before it. Footers are no
part of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final

from orchestrator.wire.journal import is_entry
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
    entries: int


def seal(previous: bytes, link: Link, records: Iterable[Record]) -> Sealed:
    """Encode all records of a batch, in order, and chain them to ``previous``."""
    frames: list[bytes] = []
    others: list[bytes] = []
    entries: list[bytes] = []
    for record in records:
        frame = encode_record(record)
        frames.append(frame)
        (entries if is_entry(record) else others).append(frame)
    body = sha256(b"".join(others)).digest()
    return Sealed(join_frames(frames), body, _chain(previous, link, body, entries), len(entries))


def body_digest(records: Iterable[Record]) -> bytes:
    """sha256 of those records that are not entries."""
    return sha256(b"".join(encode_record(record) for record in records if not is_entry(record))).digest()


def chain(previous: bytes, link: Link, body: bytes, entries: Iterable[Record]) -> bytes:
    """The chain after a batch whose journal records are ``entries``, as sent or as read back, in order."""
    return _chain(previous, link, body, [encode_record(entry) for entry in entries])


def _chain(previous: bytes, link: Link, body: bytes, entries: list[bytes]) -> bytes:
    assert len(previous) == len(body) == sha256().digest_size
    owner = link.owner.encode()
    numbers = _NUMBERS.pack(link.seq, link.next_requests, link.next_replies, link.now_ms)
    start = (_VERSION, previous, body, numbers, _LENGTH.pack(len(owner)), owner, _LENGTH.pack(len(entries)))
    return sha256(b"".join((*start, *entries))).digest()
