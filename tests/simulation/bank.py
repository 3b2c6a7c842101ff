"""The bank: accounts, an inbox that repeats its first answers, and replies that are on their way."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

from orchestrator.blueprint.model import Blueprint, Json
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.participant.inbox import REFUSED, SKIPPED
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody
from orchestrator.wire.command import ReceivedCommand, command_body, parse_command
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.reply import Answer, completed, failed, rejected, reply_record
from tests.simulation.chance import Chance

TOPIC: Final = "bank.commands"
PARTITIONS: Final = 2
TAKEN_AT_ONCE: Final = 5
CLOSED: Final = "closed"
"""An account that the bank does not know."""
BALANCE: Final = Decimal(40)
"""Of each account at first: some transfers find too little."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A reply that was produced and not acknowledged yet, and the command it answers."""

    partition: int
    offset: int
    record: OutgoingRecord


class Inbox:
    """Answers and effects commit together; see ``orchestrator.participant.inbox``."""

    def __init__(self, accounts: tuple[str, ...]) -> None:
        self.balances = dict.fromkeys(accounts, BALANCE)
        self.answers: dict[str, Answer] = {}
        self.moved: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        """Saga -> type of command -> what it moved in all."""


class Bank:
    """A participant that is stepped: it takes commands, and sends replies whenever chance says so."""

    def __init__(self, chance: Chance, cluster: MemoryCluster, broker: MemoryBroker, blueprint: Blueprint) -> None:
        self._chance = chance
        self._cluster = cluster
        self._broker = broker
        self._schemas = blueprint.schemas
        self.inbox = Inbox(("a", "b", "c"))
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self._on_the_way: list[Posted] = []
        self.replies: list[IncomingRecord] = []
        """Every reply in Kafka, with its place; inputs are deleted after a while."""
        codecs = {name: codec_for(self._schema(name)) for name in ("Receipt", "AccountNotFound", "InsufficientFunds")}
        self._receipt, self._not_found, self._too_little = codecs.values()

    def _schema(self, name: str) -> Json:
        full = f"bank.{name}"
        return next(each for each in self._schemas.values() if isinstance(each, dict) and each["name"] == full)

    def waiting(self) -> bool:
        """Whether there are commands to take or replies to send."""
        return bool(self._on_the_way) or any(self._log_end(partition) > at for partition, at in self._next.items())

    def _log_end(self, partition: int) -> int:
        return self._cluster.log(TOPIC, partition).stable_end

    def take(self, partition: int) -> None:
        """Do the next commands of a partition, some; their replies are on the way then."""
        if not self._cluster.answering:
            return
        self._cluster.coordinator.expire()
        log = self._cluster.log(TOPIC, partition)
        end = log.stable_end
        for taken, record in enumerate(log.committed(self._next[partition], end)):
            if taken == TAKEN_AT_ONCE:
                self._next[partition] = record.offset
                return
            self._on_the_way.append(Posted(partition, record.offset, self._answer(record)))
        self._next[partition] = max(end, self._next[partition])

    def take_again(self) -> None:
        """A command is delivered again: its offset was not committed."""
        partition = self._chance.number(0, PARTITIONS - 1)
        self._next[partition] = max(0, self._next[partition] - self._chance.number(1, 6))

    def restart(self) -> None:
        """Killed: replies that were not acknowledged are lost, and their commands come again."""
        for posted in self._on_the_way:
            self._next[posted.partition] = min(self._next[posted.partition], posted.offset)
        self._on_the_way.clear()

    def send(self) -> None:
        """Let one of the replies arrive, whichever."""
        if not self._on_the_way or not self._cluster.answering:
            return
        posted = self._on_the_way.pop(self._chance.number(0, len(self._on_the_way) - 1))
        if self._chance.hit("reply: lost"):
            return
        self._publish(posted.record)
        if self._chance.hit("reply: doubled"):
            self._publish(posted.record)

    def send_all(self) -> None:
        """Let every reply arrive."""
        while self._on_the_way and self._cluster.answering:
            self.send()

    def _publish(self, record: OutgoingRecord) -> None:
        log = self._cluster.log(record.topic, record.partition)
        self._broker.publish([record])
        stored = log.entries[-1].record
        assert stored is not None
        self.replies.append(stored)

    # ------------------------------------------------------------ one command

    def _answer(self, record: IncomingRecord) -> OutgoingRecord:
        command = parse_command(record)
        now_ms = self._cluster.now_ms()
        if command.role == "do" and command.expires_ms is not None and now_ms >= command.expires_ms:
            stored = self.inbox.answers.get(command.command_id)
            late = failed("Expired", "its attempt had ended before it was read", retryable=True)
            return reply_record(command, stored or late, now_ms)
        return reply_record(command, self._once(command, record), now_ms)

    def _once(self, command: ReceivedCommand, record: IncomingRecord) -> Answer:
        """The first answer, stored; an undo first refuses the do that has not come yet."""
        answers = self.inbox.answers
        if command.command_id in answers:
            return answers[command.command_id]
        answer: Answer | None = None
        if command.undoes is not None:
            refused = command.undoes not in answers
            first = answers.setdefault(command.undoes, REFUSED)
            if refused or first.outcome != "completed":
                answer = SKIPPED
        answers[command.command_id] = answer = answer or self._handle(command, record)
        return answer

    def _handle(self, command: ReceivedCommand, record: IncomingRecord) -> Answer:
        body = command_body(record)
        assert isinstance(body, AvroBody)
        data = cast("dict[str, object]", codec_for(self._schemas[body.schema_id]).decode(body.value))
        account, amount = cast("str", data["account"]), cast("Decimal", data["amount"])
        balance = self.inbox.balances.get(account)
        if balance is None:
            return rejected("bank.AccountNotFound", self._not_found, {"account": account})
        if command.type == "bank.Withdraw":
            if balance < amount:
                return rejected("bank.InsufficientFunds", self._too_little, {"balance": balance})
            amount = -amount
        self.inbox.balances[account] = balance + amount
        self.inbox.moved[command.saga_id][command.type] += amount
        return completed(self._receipt, {"balance": balance + amount})
