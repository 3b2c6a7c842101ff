"""What the journal says of every saga and every command: the audit compares everything else with it.

Takes the journal's records and gives values; reports what is missing, doubled or out of order within the journal.

The places of commands are right for whatever sagas there are, but not beside records that no event tells of (a request
that repeats another one or is for no saga, what went to quarantine): the audit wants topics without any.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.blueprint.ids import command_id
from orchestrator.wire.journal import Entry, JournalEntry, SagasTrimmed, is_entry, parse_entry, parse_footer
from orchestrator.wire.record import IncomingRecord

ENDS: Final = {"SagaCompleted": "completed", "SagaCompensated": "compensated"}
ANSWERED: Final = frozenset({"SagaStarted", "CancelRequested", "RetryRequested", "RequestDeclined"})
"""Each stands for the answer to a request, which takes a place in the batch."""
ONCE_A_STEP: Final = frozenset({"StepCompleted", "StepRejected", "StepUndone"})


@dataclass(slots=True)
class Findings:
    """What should not be: each is a sentence."""

    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    disordered: list[str] = field(default_factory=list[str])

    @property
    def all(self) -> list[str]:
        """Every sentence."""
        return [*self.lost, *self.doubled, *self.disordered]


@dataclass(frozen=True, slots=True)
class SentCommand:
    """One attempt of one command as the journal records it."""

    id: str
    attempt: int
    sequence: str
    """``shard:batch:index``: where among its batch's records the command must stand."""


@dataclass(slots=True)
class Journal:
    """The sagas of a namespace."""

    findings: Findings
    events: int = 0
    trimmed: int = 0
    """Of the events: of sagas whose rows were trimmed."""
    transactions: int = 0
    owners: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Shard and take-over, in the order in which the take-overs published."""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """Saga -> completed or compensated."""
    sent: dict[str, list[SentCommand]] = field(default_factory=lambda: defaultdict[str, list[SentCommand]](list))
    """Saga -> its commands, in order."""
    causes: Counter[tuple[str, int, int]] = field(default_factory=Counter[tuple[str, int, int]])
    """Topic, partition and offset of an input -> how many entries say that it was their cause."""
    incidents: int = 0


def read_journal(records: Iterable[IncomingRecord], topic: str) -> Journal:
    """What the records of the journal's topic say, as a read_committed consumer got them."""
    journal = Journal(Findings())
    shards: dict[int, list[IncomingRecord]] = defaultdict(list)
    for record in records:
        if record.topic == topic:
            shards[record.partition].append(record)
    for shard, found in sorted(shards.items()):
        _Shard(journal, shard).read(found)
    return journal


class _Shard:
    """One partition of the journal, read in order."""

    def __init__(self, journal: Journal, shard: int) -> None:
        self._journal = journal
        self._findings = journal.findings
        self._shard = shard
        self._batches: dict[int, list[Entry]] = defaultdict(list)
        """Since the last footer."""
        self._last_batch = 0
        self._versions: Counter[str] = Counter()
        self._done: set[tuple[str, str, str]] = set()

    def read(self, records: Sequence[IncomingRecord]) -> None:
        for record in records:
            if is_entry(record):
                entry = parse_entry(record.value)
                self._batches[entry.seq].append(entry)
                if isinstance(entry, JournalEntry):
                    self._number(entry)
                else:
                    self._journal.trimmed += sum(self._versions.pop(saga_id, 0) for saga_id in entry.saga_ids)
            else:
                self._end_transaction(record)
        for batch, entries in self._batches.items():
            self._findings.lost.append(f"shard {self._shard}: the footer of batch {batch} ({len(entries)} entries)")

    def _number(self, entry: JournalEntry) -> None:
        """Events of a saga count from 1, without gaps and in order; a step is done, rejected, undone at most once."""
        saga_id = entry.saga_id
        for number, (kind, data) in enumerate(entry.events, entry.number):
            name = f"event {number} ({kind}) of saga {saga_id}"
            expected = self._versions[saga_id] + 1
            if number < expected:
                self._findings.doubled.append(name)
            elif number > expected:
                self._findings.lost.append(f"event {expected} of saga {saga_id}, before {name}")
            self._versions[saga_id] = max(number, expected - 1)
            if kind in ONCE_A_STEP:
                key = saga_id, kind, str(json.loads(data)["step"])
                if key in self._done:
                    self._findings.doubled.append(f"{kind} of step {key[2]} of saga {saga_id}")
                self._done.add(key)

    def _end_transaction(self, record: IncomingRecord) -> None:
        self._journal.transactions += 1
        for batch in parse_footer(record.value).batches:
            name = f"batch {batch.seq} of shard {self._shard}"
            if batch.seq <= self._last_batch:
                self._findings.doubled.append(name)
            elif batch.seq > self._last_batch + 1:
                self._findings.lost.append(f"batch {self._last_batch + 1} of shard {self._shard}, before {name}")
            self._last_batch = max(batch.seq, self._last_batch)
            entries = self._batches.pop(batch.seq, [])
            if len(entries) < batch.entries:
                self._findings.lost.append(f"{batch.entries - len(entries)} entries of {name}")
            elif len(entries) > batch.entries:
                self._findings.doubled.append(f"{len(entries) - batch.entries} entries of {name}")
            if (self._shard, batch.owner) not in self._journal.owners:
                self._journal.owners.append((self._shard, batch.owner))
            self._take(batch.seq, entries)

    def _take(self, batch: int, entries: Sequence[Entry]) -> None:
        """Where each command stands in its batch: an input's entry, its commands, its answer, its outcome."""
        journal, index = self._journal, 0
        for entry in entries:
            index += 1
            if isinstance(entry, SagasTrimmed):
                continue
            saga_id = entry.saga_id
            journal.events += len(entry.events)
            if entry.cause is not None:
                journal.causes[entry.cause] += 1
            for kind, data in entry.events:
                match kind:
                    case "CommandSent":
                        sequence = f"{self._shard}:{batch}:{index}"
                        journal.sent[saga_id].append(_sent(saga_id, data, sequence))
                        index += 1
                    case "IncidentOpened":
                        journal.incidents += 1
                    case _ if kind in ENDS:
                        if saga_id in journal.ended:
                            self._findings.doubled.append(f"the end of saga {saga_id}")
                        journal.ended[saga_id] = ENDS[kind]
                    case _:
                        pass
            index += sum(kind in ANSWERED or kind in ENDS for kind, _ in entry.events)


def _sent(saga_id: str, data: str, sequence: str) -> SentCommand:
    sent = json.loads(data)
    found = command_id(saga_id, sent["step"], sent["generation"], sent["role"])
    return SentCommand(found, sent["attempt"], sequence)
