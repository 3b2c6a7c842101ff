"""Commands: what the relay sends to a participant, and what the participant finds in it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal, Protocol, get_args

from orchestrator.blueprint.frozen import frozen
from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import Body, body_of
from orchestrator.wire.headers import (
    ATTEMPT,
    EXPIRES,
    ID,
    REPLYPARTITION,
    REPLYTO,
    SAGASTEP,
    SEQUENCE,
    SOURCE,
    SUBJECT,
    TIME,
    TRACEPARENT,
    TYPE,
    UNDOES,
    VERSION,
    HeaderReader,
    avro_headers,
    source_of,
    time_header,
    whole_header,
)
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from orchestrator.wire.topics import Topics

Role = Literal["do", "undo", "probe"]

PARTITION_MAX: Final = 2**31 - 1


class Command(Protocol):
    """What of a command changes with every attempt; the engine's commands are such."""

    @property
    def saga_id(self) -> str:
        """The saga that sends it."""
        ...

    @property
    def command_id(self) -> str:
        """The idempotency key, the same for every attempt."""
        ...

    @property
    def body(self) -> Data:
        """What the message says, as its schema asks for it."""
        ...

    @property
    def key(self) -> str:
        """The record's key."""
        ...

    @property
    def step(self) -> str:
        """The path of the step."""
        ...

    @property
    def attempt(self) -> int:
        """Counts from 1."""
        ...

    @property
    def undoes(self) -> str | None:
        """On an undo and a probe the id of the do."""
        ...

    @property
    def expires_ms(self) -> int | None:
        """After it a participant refuses the command; None: a late one is as right as an early one."""
        ...


class CommandTemplate:
    """One type of command as one shard sends it: everything that is the same for each is encoded once."""

    def __init__(self, topics: Topics, shard: int, message_type: str, participant: str, schema: Json) -> None:
        self.topic = topics.commands(participant)
        self._codec = codec_for(schema)
        self._shard = shard
        self._same: Headers = (
            VERSION,
            (TYPE, message_type.encode()),
            (SOURCE, source_of(topics.namespace, shard)),
            *avro_headers(self._codec.schema_id),
            (REPLYTO, topics.replies.encode()),
            (REPLYPARTITION, whole_header(shard)),
        )

    def record(self, command: Command, *, partition: int, seq: int, index: int, time_ms: int) -> OutgoingRecord:
        """The record of one attempt; ``seq`` is the batch, ``index`` the record's place in it.

        Raises ``Mismatch``, a ValueError, when the body does not fit the command's schema.
        """
        command_id = command.command_id.encode()
        saga_id = command.saga_id.encode()
        attempt = whole_header(command.attempt)
        headers: Headers = (
            *self._same,
            (ID, command_id),
            (SUBJECT, saga_id),
            (TIME, time_header(time_ms)),
            (SAGASTEP, command.step.encode()),
            (ATTEMPT, attempt),
            (SEQUENCE, b"%d:%d:%d" % (self._shard, seq, index)),
            (TRACEPARENT, traceparent(saga_id, command_id, attempt)),
        )
        if command.expires_ms is not None:
            headers = (*headers, (EXPIRES, time_header(command.expires_ms)))
        if command.undoes is not None:
            headers = (*headers, (UNDOES, command.undoes.encode()))
        value = self._codec.encode(command.body)
        return OutgoingRecord(self.topic, partition, command.key.encode(), headers, value)


def traceparent(saga_id: bytes, command_id: bytes, attempt: bytes) -> bytes:
    """W3C trace context of one attempt, made of ids alone so that a rebuilt outbox is the same byte for byte.

    ``00-{trace}-{span}-01``: trace is the first 16 bytes of sha256(saga id), so a saga is one trace; span is the first
    8 bytes of sha256(command id, newline, attempt).
    """
    trace = sha256(saga_id).hexdigest()[:32]
    span = sha256(b"%b\n%b" % (command_id, attempt)).hexdigest()[:16]
    return f"00-{trace}-{span}-01".encode()


@frozen(kw_only=True)
class ReceivedCommand:
    """One attempt of one command as a participant receives it; the body is not decoded yet."""

    command_id: str
    """The idempotency key: a participant repeats its first answer to it."""
    type: str
    """Avro full name, ``{participant}.{Class}``."""
    role: Role
    namespace: str
    """Of the orchestrator that sends it; command ids are unique within one namespace."""
    saga_id: str
    attempt: int
    reply_to: str
    reply_partition: int
    expires_ms: int | None
    """After it the participant refuses; None: sent until it is answered."""
    undoes: str | None
    """On an undo and a probe the id of the do."""
    traceparent: str | None
    """Repeated in the reply; None also when it is malformed."""


def parse_command(record: IncomingRecord) -> ReceivedCommand:
    """The command in ``record``, body apart: see ``command_body``. Raises ``MessageRejected``.

    Headers that are there for people and audits (``ce_time``, ``ce_sagastep``, ``ce_sequence``) are not read.
    """
    headers = HeaderReader(record)
    command_id = headers.text(ID, "a command id")
    saga_id = headers.text(SUBJECT, "a saga's id")
    return ReceivedCommand(
        command_id=command_id,
        type=headers.text(TYPE, "a command's full name"),
        role=_role_of(headers, command_id, saga_id),
        namespace=_namespace_of(headers),
        saga_id=saga_id,
        attempt=headers.whole(ATTEMPT, "the number of the attempt"),
        reply_to=headers.text(REPLYTO, "the topic to reply to"),
        reply_partition=headers.whole(REPLYPARTITION, "the partition to reply to", PARTITION_MAX),
        expires_ms=headers.time_ms_or_none(EXPIRES, "when the attempt ends"),
        undoes=headers.text_or_none(UNDOES),
        traceparent=headers.trace_or_none(),
    )


def command_body(record: IncomingRecord) -> Body | None:
    """The body, for ``decode_body``; apart, so that an unreadable one can be answered. Raises ``MessageRejected``."""
    return body_of(HeaderReader(record), record.value)


_ROLES: Final[Mapping[str, Role]] = {role: role for role in get_args(Role)}


def _role_of(headers: HeaderReader, command_id: str, saga_id: str) -> Role:
    role = _ROLES.get(command_id.rpartition("/")[2])
    if role is None or not command_id.startswith(f"{saga_id}/"):
        raise headers.refuse(ID, f"{saga_id}/…/do, …/undo or …/probe", command_id)
    if role != "do":
        headers.text(UNDOES, f"the id of what the {role} is about")
    return role


def _namespace_of(headers: HeaderReader) -> str:
    source = headers.text(SOURCE, "/{namespace}/{shard}")
    match source.split("/"):
        case ["", namespace, _] if namespace:
            return namespace
        case _:
            raise headers.refuse(SOURCE, "/{namespace}/{shard}", source)
