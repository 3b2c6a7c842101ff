"""What a transfer costs in Python alone: no server, no thread, so the figures hold on a busy machine, too.

``python -m bench.core [--sagas 5000] [--json]``: processor time in microseconds for each saga, by part. Run it under a
profiler to see inside (``py-spy record -o core.svg -- python -m bench.core``).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.bank import deposit, refund, withdraw
from bench.load import transfer
from examples.money_transfer.saga import Deposit, Refund, Withdraw, money_transfer
from orchestrator.blueprint import canonical
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.topology import command_topic, namespace_topics
from orchestrator.client.contract import Contract
from orchestrator.clock import now_ms
from orchestrator.participant.answering import Answering
from orchestrator.participant.handler_exchange import exchange_of
from orchestrator.participant.handlers import checked
from orchestrator.participant.schemas import Schemas
from orchestrator.shard.batch import Head, seal
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.decider import Decider, Desk
from orchestrator.shard.intake import Intake
from orchestrator.shard.limits import Limits
from orchestrator.shard.records import Records
from orchestrator.shard.sagas import Sagas
from orchestrator.store.memory import MemoryStore
from orchestrator.tuning import tuned
from orchestrator.wire.definitions import Activated, Published, activate_record, publish_record
from orchestrator.wire.outcome import SagaEnded, parse_outcome
from orchestrator.wire.record import IncomingRecord, OutgoingRecord
from orchestrator.wire.registry import schema_record
from orchestrator.wire.request import StartSaga, request_record
from orchestrator.wire.topics import Topics

NAMESPACE: Final = "core"
COMMANDS: Final = "bank.commands"
BATCH: Final = 250
"""Inputs of one batch: about what a shard takes at its peak rate."""


@dataclass(slots=True)
class Clock:
    """Processor time by part."""

    spent_s: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, part: str, began: float) -> None:
        """The time since ``began`` was spent on ``part``."""
        self.spent_s[part] = self.spent_s.get(part, 0.0) + time.process_time() - began


class Core:
    """One shard without threads: a client, a decider and a bank, with logs in memory between them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ended = 0
        """Transfers that have ended."""
        self._now_ms = 0
        self._topics = Topics(NAMESPACE)
        self._broker = MemoryBroker(MemoryCluster(), self._topics)
        self._broker.create([*namespace_topics(self._topics, 1), command_topic("bank", 1)])
        self._deploy()
        self._contract = Contract(money_transfer, lambda _: None)
        self._decider = self._made_decider()
        handlers = [
            exchange_of(checked("bank", Withdraw, withdraw)),
            exchange_of(checked("bank", Refund, refund)),
            exchange_of(checked("bank", Deposit, deposit)),
        ]
        schemas = Schemas(lambda _: self._broker, NAMESPACE)
        self._answering = Answering("bank", handlers, schemas)
        schemas.own(self._answering.codecs())
        self._head = Head(0, bytes(32), 0, 0, 0)
        self._offsets: dict[str, int] = {}

    def _deploy(self) -> None:
        blueprint = money_transfer.compile()
        text = canonical.dumps(blueprint)
        self._broker.publish([schema_record(self._topics, schema) for schema in blueprint.schemas.values()])
        self._broker.publish(
            [
                publish_record(self._topics, Published(blueprint.name, blueprint.hash, text)),
                activate_record(self._topics, Activated(blueprint.name, blueprint.hash)),
            ]
        )

    def _made_decider(self) -> Decider:
        catalogue = Catalogue(self._broker, self._topics, lambda _: None)
        catalogue.refresh()
        limits = Limits(self._broker)
        store = MemoryStore(NAMESPACE, 1).shard(0)
        return Decider(
            Desk(
                topics=self._topics,
                shard=0,
                shards=1,
                intake=Intake(self._topics, catalogue),
                sagas=Sagas(store, 1_000_000),
                limits=limits,
                records=Records(self._topics, 0, limits),
            )
        )

    def run(self, sagas: int) -> None:
        """Run so many transfers from their start to their end, ``BATCH`` by ``BATCH``."""
        for first in range(1, sagas + 1, BATCH):
            numbers = range(first, min(first + BATCH, sagas + 1))
            inputs = self._start(numbers)
            while inputs:
                commands, outcomes = self._decide(inputs)
                self._learn(outcomes)
                inputs = self._answer(commands)

    def _start(self, numbers: Iterable[int]) -> list[IncomingRecord]:
        self._now_ms = now_ms()  # of each round: commands expire, and answering reads the clock
        began = time.process_time()
        made: list[OutgoingRecord] = []
        for number in numbers:
            body = self._contract.input(transfer(number))
            request = StartSaga(
                request_id=f"request-{number}", saga_id=f"transfer-{number}", saga="money_transfer", input=body
            )
            made.append(request_record(self._topics, 1, request, self._now_ms))
        self.clock.add("client: start", began)
        return self._appended(made)

    def _decide(self, records: Sequence[IncomingRecord]) -> tuple[list[IncomingRecord], list[IncomingRecord]]:
        head = Head(self._head.seq + 1, b"", self._head.next_requests, self._head.next_replies, self._now_ms)
        began = time.process_time()
        draft = self._decider.decide(records, [], head)
        self.clock.add("orchestrator: decide and encode", began)
        began = time.process_time()
        _, relayed, self._head = seal(0, "owner", self._head, head, draft)
        self._decider.appended()
        self.clock.add("orchestrator: seal", began)
        appended = self._appended(relayed.records)
        return (
            [record for record in appended if record.topic == COMMANDS],
            [record for record in appended if record.topic == self._topics.outcomes],
        )

    def _answer(self, commands: Sequence[IncomingRecord]) -> list[IncomingRecord]:
        began = time.process_time()
        replies = [self._answering.answer(command, None) for command in commands]
        self.clock.add("participant: answer", began)
        return self._appended([reply for reply in replies if reply is not None])

    def _learn(self, outcomes: Sequence[IncomingRecord]) -> None:
        began = time.process_time()
        self.ended += sum(isinstance(parse_outcome(record), SagaEnded) for record in outcomes)
        self.clock.add("client: outcome", began)

    def _appended(self, records: Iterable[OutgoingRecord]) -> list[IncomingRecord]:
        """As Kafka would give them back."""
        found: list[IncomingRecord] = []
        for record in records:
            offset = self._offsets.get(record.topic, 0)
            self._offsets[record.topic] = offset + 1
            found.append(
                IncomingRecord(record.topic, record.partition, offset, 0, record.key, record.headers, record.value)
            )
        return found


def measure(sagas: int) -> dict[str, float]:
    """Microseconds of processor time for each saga, by part and in all."""
    warm = Core()
    warm.run(BATCH)
    core = Core()
    core.run(sagas)
    if core.ended != sagas:
        raise SystemExit(f"expected {sagas} transfers to end, got {core.ended}")
    found = {part: round(spent / sagas * 1e6, 1) for part, spent in core.clock.spent_s.items()}
    return {**found, "in all": round(sum(found.values()), 1)}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.core", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sagas", type=int, default=5_000, help="(5,000)")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    with tuned():
        found = measure(arguments.sagas)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            sys.stdout.write(f"{name:48} {value:>10,.1f} us\n")


if __name__ == "__main__":
    main()
