"""Records of the definitions topic: ``name/hash`` → a blueprint's text, ``name`` → the hash of the active one."""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from orchestrator.blueprint.ids import fault_of_name
from orchestrator.errors import MessageRejected
from orchestrator.wire.headers import CONTENT_TYPE, JSON, place_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Published:
    """A blueprint; whether its text has this hash is for who loads it to see."""

    name: str
    hash: str
    blueprint: str


@dataclass(frozen=True, slots=True)
class Activated:
    """New sagas of this name start with this blueprint, which was published before."""

    name: str
    hash: str


DefinitionRecord: TypeAlias = Published | Activated


def publish_record(topics: Topics, published: Published) -> OutgoingRecord:
    """The record that publishes a blueprint; to be written before what activates it."""
    key = f"{published.name}/{published.hash}".encode()
    headers = ((CONTENT_TYPE, JSON.encode()),)
    return OutgoingRecord(topics.definitions, 0, key, headers, published.blueprint.encode())


def activate_record(topics: Topics, activated: Activated) -> OutgoingRecord:
    """The record that makes a blueprint the active one."""
    headers = ((CONTENT_TYPE, b"text/plain"),)
    return OutgoingRecord(topics.definitions, 0, activated.name.encode(), headers, activated.hash.encode())


def parse_definition(record: IncomingRecord) -> DefinitionRecord:
    """What ``record`` says. Raises ``MessageRejected``; a tombstone is never ours."""
    place = place_of(record)
    try:
        key, value = (record.key or b"").decode(), (record.value or b"").decode()
    except UnicodeDecodeError as error:
        raise MessageRejected("undecodable", f"expected text in UTF-8, got other bytes, in {place}") from error
    name, slash, hash_ = key.partition("/")
    if not slash:
        hash_ = value
    fault = fault_of_name(name)
    if fault is not None or not _HASH.fullmatch(hash_):
        raise MessageRejected(
            "undecodable",
            f"expected name/hash with a blueprint, or name with a hash, got the key {key[:100]!r}, in {place}",
        )
    if not slash:
        return Activated(name, hash_)
    if not value:
        raise MessageRejected("undecodable", f"expected a blueprint, got none, in {place}")
    return Published(name, hash_, value)
