"""A whole namespace in one thread: servers in memory, processes that are stepped by hand, a bank, a client.

Nothing happens but by a call, and time is ``world.now_ms``. A process that is not stepped is paused; one that is
dropped was killed.
"""

import copy
import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from examples.money_transfer.saga import money_transfer
from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint, Json
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.topology import command_topic, namespace_topics
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.engine import events as saga_events
from orchestrator.errors import OrchestratorError
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.decider import Decider, Desk
from orchestrator.shard.intake import Intake
from orchestrator.shard.limits import Limits
from orchestrator.shard.loop import Bounds
from orchestrator.shard.meter import UNMEASURED, Meter
from orchestrator.shard.records import Records
from orchestrator.shard.relay import Relay
from orchestrator.shard.sagas import Sagas
from orchestrator.shard.shard import Plant, Shard
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import GENESIS, ShardStore
from orchestrator.wire import chain, definitions, journal, outcome, reply, request
from orchestrator.wire.avro import codec_for
from orchestrator.wire.body import AvroBody
from orchestrator.wire.command import ReceivedCommand, command_body, parse_command
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.registry import schema_record
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.blueprint.values import Data

NAMESPACE = "test"
COMMAND_PARTITIONS = 2


class Killed(BaseException):
    """A crash point was reached: the process is gone, and no handler of it runs."""


@functools.cache
def compiled_transfer() -> Blueprint:
    """The example's blueprint, compiled once for all worlds."""
    return money_transfer.compile()


class World:
    """Everything outside of the orchestrator's processes, and the processes."""

    def __init__(self, shards: int = 1, blueprint: Blueprint | None = None) -> None:
        self.now_ms = 1_000_000
        self.shards = shards
        self.topics = Topics(NAMESPACE)
        self.cluster = MemoryCluster(lambda: self.now_ms)
        self.store = MemoryStore(NAMESPACE, shards)
        self.broker = MemoryBroker(self.cluster, self.topics)
        self.broker.create([*namespace_topics(self.topics, shards), command_topic("bank", COMMAND_PARTITIONS)])
        self.blueprint = blueprint or compiled_transfer()
        self.deploy(self.blueprint)
        self.closed = {"closed"}
        """Accounts that the bank does not know."""
        self.silent = False
        """Whether the bank answers nothing at present."""
        self._answered: dict[int, int] = {}
        self._requests = itertools.count(1)

    # ------------------------------------------------------------ clients

    def deploy(self, blueprint: Blueprint) -> None:
        """Publish schemas and blueprint, and make it the active one."""
        records = [schema_record(self.topics, schema) for schema in blueprint.schemas.values()]
        text = canonical.dumps(blueprint)
        published = definitions.Published(blueprint.name, blueprint.hash, text)
        records.append(definitions.publish_record(self.topics, published))
        records.append(definitions.activate_record(self.topics, definitions.Activated(blueprint.name, blueprint.hash)))
        self.broker.publish(records)

    def input(self, target: str = "b", amount: str = "5") -> AvroBody:
        """The input of a transfer."""
        schema = self.blueprint.schemas[self.blueprint.input]
        data: Data = {"source": "a", "target": target, "amount": Decimal(amount)}
        return AvroBody(self.blueprint.input, codec_for(schema).encode(data))

    def start(self, saga_id: str, target: str = "b", *, saga: str = "money_transfer", amount: str = "5") -> str:
        """Ask for a transfer; gives the request's id."""
        asked = f"r{next(self._requests)}"
        given = self.input(target, amount)
        self.ask(request.StartSaga(request_id=asked, saga_id=saga_id, saga=saga, input=given))
        return asked

    def ask(self, asked: request.Request) -> None:
        """Publish any request."""
        self.broker.publish([request.request_record(self.topics, self.shards, asked, self.now_ms)])

    def outcomes(self) -> list[outcome.Outcome]:
        """Everything that clients were told, in the order of each shard."""
        return [outcome.parse_outcome(record) for record in self.cluster.committed(self.topics.outcomes)]

    def ended(self) -> dict[str, str]:
        """Saga -> how it ended; an end that was told twice fails."""
        ends = [(each.saga_id, each.status) for each in self.outcomes() if isinstance(each, outcome.SagaEnded)]
        assert len(ends) == len(dict(ends)), f"an end was told twice: {ends}"
        return dict(ends)

    def answers(self) -> dict[str, str]:
        """Request -> result; several answers to one request must agree."""
        found: dict[str, str] = {}
        for each in self.outcomes():
            if isinstance(each, outcome.RequestAnswered):
                assert found.setdefault(each.request_id, each.result) == each.result
        return found

    # ------------------------------------------------------------ the bank

    def commands(self) -> list[ReceivedCommand]:
        """Every command that the bank could see."""
        return [parse_command(record) for record in self.cluster.committed("bank.commands")]

    def steps(self) -> list[str]:
        """The step of each of them."""
        return [command.command_id.split("/")[1] for command in self.commands()]

    def bank(self) -> None:
        """Answer every command that has come since the last call."""
        if self.silent:
            return
        for record in self.cluster.committed("bank.commands"):
            if record.offset >= self._answered.get(record.partition, 0):
                self._answered[record.partition] = record.offset + 1
                self.broker.publish([self.answer(record)])

    def answer(self, record: IncomingRecord) -> OutgoingRecord:
        """What the bank says to one command."""
        command, body = parse_command(record), command_body(record)
        assert isinstance(body, AvroBody)
        data = codec_for(self.blueprint.schemas[body.schema_id]).decode(body.value)
        assert isinstance(data, dict)
        if data["account"] in self.closed:
            codec = codec_for(self.schema("bank.AccountNotFound"))
            said = reply.rejected("bank.AccountNotFound", codec, {"account": data["account"]})
        else:
            said = reply.completed(codec_for(self.schema("bank.Receipt")), {"balance": Decimal(100)})
        return reply.reply_record(command, said, self.now_ms)

    def schema(self, name: str) -> Json:
        """The schema of this name among those of the blueprint."""
        return next(each for each in self.blueprint.schemas.values() if isinstance(each, dict) and each["name"] == name)

    # ------------------------------------------------------------ time

    def run(self, *processes: "Process", rounds: int = 12, ms: int = 100) -> None:
        """Step processes and bank in turns; ``ms`` pass in each round."""
        for _ in range(rounds):
            for process in processes:
                process.step()
            self.bank()
            self.now_ms += ms

    # ------------------------------------------------------------ what must always hold

    def audit(self) -> None:
        """I1 to I3 of the protocol, from Kafka alone, and that Postgres agrees."""
        sequences = [dict(record.headers)["ce_sequence"] for record in self.cluster.committed("bank.commands")]
        assert len(sequences) == len(set(sequences)), f"a command was published twice: {sequences}"
        sent: list[tuple[str, str, int]] = []
        for shard in range(self.shards):
            sent += self._audit_journal(shard)
        published = [(each.saga_id, each.command_id, each.attempt) for each in self.commands()]
        for saga_id in {saga_id for saga_id, _, _ in sent}:
            ordered = [each for each in sent if each[0] == saga_id]
            assert [each for each in published if each[0] == saga_id] == ordered, f"commands of {saga_id}"
        assert len(published) == len(sent)

    def _audit_journal(self, shard: int) -> list[tuple[str, str, int]]:
        previous, seq = GENESIS, 0
        entries: list[IncomingRecord] = []
        sent: list[tuple[str, str, int]] = []
        numbers: dict[str, int] = {}
        for record in self.cluster.committed(self.topics.journal):
            if record.partition != shard:
                continue
            if not journal.is_footer(record):
                entries.append(record)
                entry = journal.parse_entry(record.value)
                if isinstance(entry, journal.SagasTrimmed):
                    for saga_id in entry.saga_ids:  # whose id may be used again, though nobody should
                        del numbers[saga_id]
                    continue
                assert entry.number == numbers.get(entry.saga_id, 0) + 1, f"event {entry.number} of {entry.saga_id}"
                numbers[entry.saga_id] = entry.number + len(entry.events) - 1
                for event in entry.events:
                    decoded = saga_events.decode(*event)
                    if isinstance(decoded, saga_events.CommandSent):
                        command_id = f"{entry.saga_id}/{decoded.step}/{decoded.generation}/{decoded.role}"
                        sent.append((entry.saga_id, command_id, decoded.attempt))
                    elif isinstance(decoded, saga_events.AttemptUndeliverable) or (
                        isinstance(decoded, saga_events.StepRejected) and decoded.reason == "undeliverable"
                    ):
                        sent.pop()  # the command of the event before
                continue
            for batch in journal.parse_footer(record.value).batches:
                seq += 1
                assert batch.seq == seq, f"batch {batch.seq} after {seq - 1}"
                own, entries = entries[: batch.entries], entries[batch.entries :]
                link = chain.Link(
                    seq=batch.seq,
                    owner=batch.owner,
                    next_requests=batch.next_requests,
                    next_replies=batch.next_replies,
                    now_ms=batch.now_ms,
                )
                assert chain.chain(previous, link, batch.body, own) == batch.chain, f"the chain breaks at {seq}"
                previous = batch.chain
        assert not entries, "entries behind the last footer"
        contents = self.store.contents(shard)
        assert contents.row.seq >= seq
        if contents.row.seq == seq:
            assert contents.row.chain == previous
            assert len(contents.events) == sum(numbers.values())
        return sent


@dataclass
class Process:
    """One orchestrator: its shards and their relays, stepped in turn."""

    world: World
    shards: Sequence[int] = (0,)
    crash_point: CrashPoint = nowhere
    bounds: Bounds = field(default_factory=lambda: Bounds(batch_max=100, relay_backlog_max=8))
    meter: Meter = UNMEASURED
    retention_ms: int | None = None

    def __post_init__(self) -> None:
        world = self.world
        self.broker = MemoryBroker(world.cluster, world.topics, crash_point=self.crash_point)
        self.store = copy.copy(world.store)  # the same database, seen by a process with crash points of its own
        self.store._crash_point = self.crash_point
        self.catalogue = Catalogue(self.broker, world.topics, self.store.save_definitions)
        self.relays: list[Relay] = []
        plant = Plant(
            world.topics,
            self.broker,
            self.store,
            self._decider,
            self.bounds,
            self.crash_point,
            self.meter,
            self.retention_ms,
        )
        self.owners = {number: Shard(number, plant, self._take_on) for number in self.shards}
        self.stepping_relays = True

    def _decider(self, shard: int, store: ShardStore) -> Decider:
        world, limits = self.world, Limits(self.broker)
        return Decider(
            Desk(
                topics=world.topics,
                shard=shard,
                shards=world.shards,
                intake=Intake(world.topics, self.catalogue),
                sagas=Sagas(store, 50),
                limits=limits,
                records=Records(world.topics, shard, limits),
            )
        )

    def _take_on(self, relay: Relay) -> None:
        self.relays.append(relay)
        relay.wake = self._woken  # so it produces while Postgres commits, as it does in a thread of its own

    def _woken(self) -> None:
        if self.stepping_relays:
            for relay in self.relays:
                relay.step(self.world.now_ms)

    @property
    def shard(self) -> Shard:
        """The only shard."""
        assert len(self.owners) == 1
        return next(iter(self.owners.values()))

    @property
    def trouble(self) -> OrchestratorError | None:
        """Of the only shard."""
        return self.shard.trouble

    def take_over(self) -> None:
        """Step until every shard is owned."""
        for _ in range(20):
            for owner in self.owners.values():
                if not owner.owned:
                    owner.step(self.world.now_ms)
            if all(owner.owned for owner in self.owners.values()):
                return
        raise AssertionError(f"not owned: {[owner.trouble for owner in self.owners.values()]}")

    def step(self) -> None:
        """One step of everything."""
        for owner in self.owners.values():
            owner.step(self.world.now_ms)
        if self.stepping_relays:
            self.relay()

    def relay(self) -> None:
        """Let the relays do what they can."""
        for relay in list(self.relays):
            for _ in range(20):
                if relay.abandoned or relay.step(self.world.now_ms) is None:
                    break
            if relay.abandoned:
                relay.close()
                self.relays.remove(relay)


def saga_on(shard: int, shards: int, name: str = "s") -> str:
    """A saga id that belongs to this shard."""
    return next(each for number in itertools.count() if partition_of(each := f"{name}{number}", shards) == shard)


def reasons(world: World) -> list[str]:
    """Why records are in quarantine."""
    records = world.cluster.committed(world.topics.quarantine)
    return [dict(record.headers)["quarantine_reason"].decode() for record in records]
