"""A small true history, as a read_committed consumer sees it: two transfers, one done, one refunded."""

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.blueprint.model import Json
from orchestrator.blueprint.values import Data
from orchestrator.engine import events as e
from orchestrator.wire.command import CommandTemplate, parse_command
from orchestrator.wire.journal import FooterBatch, JournalEntry, entry_record, footer_record
from orchestrator.wire.outcome import Outcome, RequestAnswered, SagaEnded, outcome_record
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import completed, reply_record
from orchestrator.wire.topics import Topics

TOPICS = Topics("saga")
COMMANDS = "bank.commands"
DONE, REFUNDED = "transfer-1", "transfer-2"
SHARD = 0
NOW_MS = 1_700_000_000_000
SCHEMA: Json = {"type": "record", "name": "bank.Withdraw", "fields": []}
DIGEST = bytes(32)


@dataclass(frozen=True)
class Sent:
    saga_id: str
    step: str
    role: Literal["do", "undo"] = "do"
    attempt: int = 1
    undoes: str | None = None
    expires_ms: int | None = None
    body: Data = field(default_factory=dict[str, Data])

    @property
    def command_id(self) -> str:
        return f"{self.saga_id}/{self.step}/0/{self.role}"

    @property
    def key(self) -> str:
        return self.saga_id


class World:
    """Writes records as the relay, a participant and nobody else would."""

    def __init__(self) -> None:
        self.records: list[IncomingRecord] = []
        self._ends: dict[tuple[str, int], int] = {}
        self._template = CommandTemplate(TOPICS, SHARD, "bank.Withdraw", "bank", SCHEMA)
        self._versions: dict[str, int] = {}
        self._seq = 0
        self._entries = 0
        self._index = 0

    def put(self, record: OutgoingRecord) -> IncomingRecord:
        place = record.topic, record.partition
        offset = self._ends.get(place, 0)
        self._ends[place] = offset + 1
        found = IncomingRecord(*place, offset, NOW_MS, record.key, record.headers, record.value)
        self.records.append(found)
        return found

    def begin(self) -> None:
        self._seq, self._entries, self._index = self._seq + 1, 0, 0

    def end(self) -> None:
        """The footer, and the record that ends the Kafka transaction, which nobody is handed."""
        footer = FooterBatch(
            seq=self._seq,
            chain=DIGEST,
            body=DIGEST,
            owner="first",
            next_requests=0,
            next_replies=0,
            now_ms=NOW_MS,
            entries=self._entries,
        )
        self.put(footer_record(TOPICS, SHARD, [footer], {}))
        for topic in (TOPICS.journal, TOPICS.outcomes, COMMANDS):
            self._ends[topic, SHARD] = self._ends.get((topic, SHARD), 0) + 1

    def follow(
        self, saga_id: str, cause: IncomingRecord, events: list[e.Event], sent: Sent | None, outcome: Outcome | None
    ) -> IncomingRecord | None:
        """One input and all that follows from it; gives the command."""
        first = self._versions.get(saga_id, 0) + 1
        self._versions[saga_id] = first + len(events) - 1
        place = cause.topic, cause.partition, cause.offset
        self.put(
            entry_record(
                TOPICS,
                SHARD,
                JournalEntry(self._seq, saga_id, first, tuple(e.encode(event) for event in events), place),
            )
        )
        self._entries += 1
        self._index += 1
        command = None
        if sent is not None:
            made = self._template.record(sent, partition=SHARD, seq=self._seq, index=self._index, time_ms=NOW_MS)
            command = self.put(made)
            self._index += 1
        if outcome is not None:
            self.put(outcome_record(TOPICS, SHARD, outcome, NOW_MS))
            self._index += 1
        return command

    def reply(self, command: IncomingRecord) -> IncomingRecord:
        return self.put(reply_record(parse_command(command), completed(), NOW_MS))


def sent(saga_id: str, step: str, role: e.Role = "do") -> e.CommandSent:
    return e.CommandSent(step=step, role=role, generation=0, attempt=1, due_ms=NOW_MS, at_ms=NOW_MS)


def started(saga_id: str) -> e.SagaStarted:
    return e.SagaStarted(
        saga_id=saga_id, saga="money_transfer", blueprint="0" * 64, input={}, request_id="r", at_ms=NOW_MS
    )


def ended(saga_id: str, status: Literal["completed", "compensated"]) -> SagaEnded:
    return SagaEnded(
        saga_id=saga_id,
        saga="money_transfer",
        status=status,
        output=None,
        rejection_type=None,
        rejection=None,
        reason="",
        started_ms=NOW_MS,
        ended_ms=NOW_MS,
    )


def history(*, count_twice: bool = False) -> list[IncomingRecord]:
    """Two transfers, told by everything that a read_committed consumer is handed of them.

    ``count_twice``: a reply that was used is used again in a later batch, as after a lost position.
    """
    world = World()
    replies: dict[str, IncomingRecord] = {}
    world.begin()  # the owner's batch
    world.end()
    world.begin()
    for offset, name in enumerate((DONE, REFUNDED)):
        request = IncomingRecord(TOPICS.requests, SHARD, offset, NOW_MS, None)
        answer = RequestAnswered(request_id=f"r-{name}", saga_id=name, result="accepted", text="")
        command = world.follow(name, request, [started(name), sent(name, "withdraw")], Sent(name, "withdraw"), answer)
        assert command is not None
        replies[name] = world.reply(command)
    world.end()
    world.begin()
    for name in (DONE, REFUNDED):
        withdrawn = e.StepCompleted(step="withdraw", reply=None, at_ms=NOW_MS)
        command = world.follow(name, replies[name], [withdrawn, sent(name, "deposit")], Sent(name, "deposit"), None)
        assert command is not None
        replies[name] = world.reply(command)
    world.end()
    world.begin()
    deposited = e.StepCompleted(step="deposit", reply=None, at_ms=NOW_MS)
    completed_ = e.SagaCompleted(result=None, at_ms=NOW_MS)
    world.follow(DONE, replies[DONE], [deposited, completed_], None, ended(DONE, "completed"))
    rejected = e.StepRejected(step="deposit", reason="rejected", type="bank.AccountNotFound", body={}, at_ms=NOW_MS)
    undo = Sent(REFUNDED, "withdraw", "undo", undoes=f"{REFUNDED}/withdraw/0/do")
    command = world.follow(REFUNDED, replies[REFUNDED], [rejected, sent(REFUNDED, "withdraw", "undo")], undo, None)
    assert command is not None
    world.end()
    reply = world.reply(command)
    world.begin()
    if count_twice:
        world.follow(REFUNDED, replies[REFUNDED], [e.LabelsSet(attributes={}, at_ms=NOW_MS)], None, None)
    undone: list[e.Event] = [e.StepUndone(step="withdraw", at_ms=NOW_MS), e.SagaCompensated(at_ms=NOW_MS)]
    world.follow(REFUNDED, reply, undone, None, ended(REFUNDED, "compensated"))
    world.end()
    return world.records
