"""What must be true after each run, from Kafka, the database and the bank: O1 to O7, each violation a sentence.

O1: every batch is in Kafka whole, once, without a gap, and the chain proves it.
O2: the last footer is never ahead of the database, and their chains agree; one owner at most holds the history.
O3: the commands of a saga are those of its events, in their order.
O4: every reply is in exactly one event, or was ignored for a reason; every request is answered; no time-out comes
before an answer that came in time.
O5: a database that is rebuilt equals the live one; what was trimmed had ended, a retention ago, and went once.
O6: no money is lost or made.
O7: every saga ends within a bounded time after the faults, and no healthy database is refused.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from orchestrator.blueprint.ids import command_id
from orchestrator.engine import events as e
from orchestrator.errors import OrchestratorError
from orchestrator.recovery.recovery import Namespace, Recovery
from orchestrator.recovery.verify import verify
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import GENESIS
from orchestrator.wire import chain
from orchestrator.wire.headers import place_of
from orchestrator.wire.journal import FooterBatch, JournalEntry, SagasTrimmed, is_footer, parse_entry, parse_footer
from orchestrator.wire.outcome import RequestAnswered, SagaEnded, parse_outcome
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.reply import parse_reply
from tests.simulation.bank import BALANCE, TOPIC
from tests.simulation.process import RETENTION_MS
from tests.simulation.transfer import AMOUNT
from tests.simulation.world import SHARDS, World
from tests.unit.recovery.scene import loading, tables

SAGAS_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of the journal, in a batch whose footer is there."""

    shard: int
    batch: FooterBatch
    entry: JournalEntry
    events: tuple[e.Event, ...]


@dataclass(slots=True)
class Journal:
    """What the journals say, and what is wrong with them."""

    wrong: list[str] = field(default_factory=list[str])
    trimmed: list[tuple[FooterBatch, str]] = field(default_factory=list[tuple[FooterBatch, str]])
    """Sagas whose rows went, each with the batch that said so."""
    sagas: dict[str, list[Told]] = field(default_factory=lambda: defaultdict[str, list[Told]](list))
    batches: dict[int, list[FooterBatch]] = field(default_factory=dict[int, list[FooterBatch]])


def judge(world: World) -> list[str]:
    """Every violation in a world that has come to its end."""
    journal = read_journal(world)
    return [
        *journal.wrong,
        *footers_ahead(world),
        *_commands(world, journal),
        *_replies(world, journal),
        *_timers(world, journal),
        *_answers(world),
        *_money(world, journal),
        *_refusals(world),
        *_trimmed(journal),
        *_rebuilt(world),
    ]


# ---------------------------------------------------------------- O1


def read_journal(world: World) -> Journal:
    """Prove every journal, and fold nothing."""
    journal = Journal()
    for shard in range(SHARDS):
        journal.batches[shard] = []
        entries: list[IncomingRecord] = []
        for record in world.committed(world.topics.journal, shard):
            if is_footer(record):
                entries = _read_footer(journal, shard, record, entries)
            else:
                entries.append(record)
        if entries:
            journal.wrong.append(f"O1: shard {shard}: {len(entries)} entries behind the last footer")
    return journal


def _read_footer(
    journal: Journal, shard: int, footer: IncomingRecord, entries: list[IncomingRecord]
) -> list[IncomingRecord]:
    """Returns the entries that no batch of this footer has, which is wrong."""
    known = journal.batches[shard]
    for batch in parse_footer(footer.value).batches:
        seq, previous = (known[-1].seq, known[-1].chain) if known else (0, GENESIS)
        if batch.seq != seq + 1:
            journal.wrong.append(f"O1: shard {shard}: batch {batch.seq} after {seq}")
        own, entries = entries[: batch.entries], entries[batch.entries :]
        link = chain.Link(
            seq=batch.seq,
            owner=batch.owner,
            next_requests=batch.next_requests,
            next_replies=batch.next_replies,
            now_ms=batch.now_ms,
        )
        if chain.chain(previous, link, batch.body, own) != batch.chain:
            journal.wrong.append(f"O1: shard {shard}: the chain breaks at batch {batch.seq}")
        known.append(batch)
        for record in own:
            entry = parse_entry(record.value)
            if isinstance(entry, SagasTrimmed):
                journal.trimmed += ((batch, saga_id) for saga_id in entry.saga_ids)
                continue
            told = Told(shard, batch, entry, tuple(e.decode(*event) for event in entry.events))
            journal.sagas[entry.saga_id].append(told)
    if entries:
        journal.wrong.append(f"O1: shard {shard}: {len(entries)} entries that no footer counts")
    return []


# ---------------------------------------------------------------- O2


def footers_ahead(world: World) -> list[str]:
    """At any moment, but while the right database is still to be recovered."""
    store = world.database._database
    if not world.intact or store.meta.state != "ready":
        return []
    found: list[str] = []
    for shard in range(SHARDS):
        log, rows = world.cluster.log(world.topics.journal, shard), store.tables[shard]
        footer = _last_footer(log.committed(world.looked.get(shard, 0), log.stable_end))
        if footer is None:
            continue
        world.looked[shard] = footer.offset
        last = parse_footer(footer.value).batches[-1]
        if last.seq > rows.row.seq:
            found.append(f"O2: shard {shard}: footer {last.seq} is ahead of the database at {rows.row.seq}")
        elif last.seq not in rows.outbox or rows.outbox[last.seq].chain != last.chain:
            found.append(f"O2: shard {shard}: the database does not have the batch of footer {last.seq}")
    return found


def two_owners(world: World) -> list[str]:
    """Who holds exactly the history of a shard is alone: at most one process could append next."""
    found: list[str] = []
    for shard, rows in world.database._database.tables.items():
        holders = [
            process.name
            for process in world.processes
            if process is not None and shard in process.shards and process.holds(shard) == rows.row.chain
        ]
        if len(holders) > 1:
            found.append(f"O2: shard {shard}: {' and '.join(holders)} both hold the history at {rows.row.seq}")
    return found


def _last_footer(records: Iterator[IncomingRecord]) -> IncomingRecord | None:
    last: IncomingRecord | None = None
    for record in records:
        if is_footer(record):
            last = record
    return last


# ---------------------------------------------------------------- O3


def _commands(world: World, journal: Journal) -> list[str]:
    found: list[str] = []
    seen: dict[str, list[tuple[str, str]]] = defaultdict(list)
    places: Counter[str] = Counter()
    for record in world.cluster.committed(TOPIC):
        headers = {name: value.decode() for name, value in record.headers}
        seen[headers["ce_subject"]].append((headers["ce_id"], headers["ce_attempt"]))
        places[headers["ce_sequence"]] += 1
    found += [f"O3: the command at {place} was sent {count} times" for place, count in places.items() if count > 1]
    for saga_id in seen.keys() | journal.sagas.keys():
        sent = [_sent(saga_id, event) for event in _events(journal, saga_id) if isinstance(event, e.CommandSent)]
        if seen[saga_id] != sent:
            found.append(f"O3: the commands of {saga_id}: expected {sent}, got {seen[saga_id]}")
    return sorted(found)


def _events(journal: Journal, saga_id: str) -> Iterator[e.Event]:
    for told in journal.sagas.get(saga_id, ()):
        yield from told.events


def _sent(saga_id: str, event: e.CommandSent) -> tuple[str, str]:
    return command_id(saga_id, event.step, event.generation, event.role), str(event.attempt)


# ---------------------------------------------------------------- O4


def _replies(world: World, journal: Journal) -> list[str]:
    causes = Counter(told.entry.cause for tolds in journal.sagas.values() for told in tolds)
    put_aside = {record.key for record in world.cluster.committed(world.topics.quarantine)}
    found: list[str] = []
    for record in world.bank.replies:
        count = causes[record.topic, record.partition, record.offset]
        if count > 1:
            found.append(f"O4: the reply at {place_of(record)} counted {count} times")
        elif not count and place_of(record).encode() not in put_aside:
            problem = _not_ignorable(journal, record)
            if problem is not None:
                found.append(f"O4: the reply at {place_of(record)} was ignored: {problem}")
    return found


def _not_ignorable(journal: Journal, record: IncomingRecord) -> str | None:
    """Why this reply, which no event came from, should have counted; None: something else was awaited."""
    reply = parse_reply(record)
    of = next((each for each in journal.batches[record.partition] if each.next_replies > record.offset), None)
    if of is None:
        return "it was not read"
    awaited: tuple[str, int] | None = None
    waits = False
    for told in journal.sagas.get(reply.saga_id, ()):
        if told.batch.seq > of.seq or (told.batch.seq == of.seq and _comes_after(told, record)):
            break
        for event in told.events:
            match event:
                case e.CommandSent(step=step, generation=generation, role=role, attempt=attempt):
                    awaited, waits = (command_id(reply.saga_id, step, generation, role), attempt), True
                case e.AttemptTimedOut() | e.AttemptFailed():
                    waits = False
                case e.StepCompleted() | e.StepRejected() | e.StepUndone() | e.StepBecameUnknown():
                    awaited = None
                case _:
                    pass
    if awaited is None or awaited[0] != reply.command_id:
        return None
    if reply.outcome == "failed" and not (waits and awaited[1] == reply.attempt):
        return None
    return f"{reply.outcome} of {reply.command_id}, attempt {reply.attempt}, while {awaited} was open"


def _comes_after(told: Told, record: IncomingRecord) -> bool:
    """Within one batch: requests, then replies, then timers."""
    cause = told.entry.cause
    return cause is None or (cause[0] == record.topic and cause[2] > record.offset)


def _timers(world: World, journal: Journal) -> list[str]:
    """A time-out at T comes after every answer that was in Kafka before T; of clocks that were right."""
    if world.jumped:
        return []
    found: list[str] = []
    for saga_id, tolds in journal.sagas.items():
        due_ms = 0
        for told in tolds:
            for event in told.events:
                if isinstance(event, e.CommandSent):
                    due_ms = event.due_ms
                elif isinstance(event, e.AttemptTimedOut):
                    found += [
                        f"O4: {saga_id} timed out at {due_ms} in batch {told.batch.seq}, over the reply at "
                        f"{place_of(record)} of {record.timestamp_ms}"
                        for record in world.bank.replies
                        if record.partition == told.shard
                        and record.offset >= told.batch.next_replies
                        and record.timestamp_ms < due_ms
                    ]
    return found


def _answers(world: World) -> list[str]:
    """Each request record is answered once; each end is told once."""
    asked = Counter(each.request_id for each in world.asked)
    told: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for record in world.cluster.committed(world.topics.outcomes):
        match parse_outcome(record):
            case RequestAnswered(request_id=request_id):
                told[request_id] += 1
            case SagaEnded(saga_id=saga_id):
                ends[saga_id] += 1
    found = [f"O4: request {name} was asked {asked[name]} times, and answered {told[name]} times" for name in asked]
    wrong = [text for text, name in zip(found, asked, strict=True) if asked[name] != told[name]]
    return wrong + [f"O4: the end of {name} was told {count} times" for name, count in ends.items() if count > 1]


# ---------------------------------------------------------------- O5


def _rebuilt(world: World) -> list[str]:
    """The journal compared with the database, row by row; then a database made of the journal alone. Comes last."""
    namespace = Namespace(world.topics, SHARDS, world.client, world.database)
    found: list[str] = []
    try:
        for shard in range(SHARDS):
            found += [f"O5: {text}" for text in verify(namespace, shard, SAGAS_KEPT).differences]
        empty = MemoryStore("sim", SHARDS)
        anew = Namespace(world.topics, SHARDS, world.client, empty, now_ms=lambda: world.now_ms)
        Recovery(anew, loading(anew)).run()
    except OrchestratorError as error:
        return [*found, f"O5: {type(error).__name__}: {error}"]
    differing = [shard for shard in range(SHARDS) if tables(empty, shard) != tables(world.database, shard)]
    return found + [f"O5: shard {shard}: rebuilt is not live" for shard in differing]


def _trimmed(journal: Journal) -> list[str]:
    """What is trimmed had ended, as long ago as the retention says; and it is trimmed once."""
    found: list[str] = []
    for batch, saga_id in journal.trimmed:
        tolds = journal.sagas.get(saga_id, [])
        ends = [
            event.at_ms
            for told in tolds
            for event in told.events
            if isinstance(event, e.SagaCompleted | e.SagaCompensated)
        ]
        if len(ends) != 1 or ends[0] + RETENTION_MS >= batch.now_ms:
            found.append(f"O5: {saga_id} was trimmed at {batch.now_ms}, its ends are {ends}")
    counts = Counter(saga_id for _, saga_id in journal.trimmed)
    return found + [f"O5: {saga_id} was trimmed {count} times" for saga_id, count in counts.items() if count > 1]


# ---------------------------------------------------------------- O6


def _money(world: World, journal: Journal) -> list[str]:
    inbox = world.bank.inbox
    found: list[str] = []
    total, expected = sum(inbox.balances.values()), BALANCE * len(inbox.balances)
    if total != expected:
        found.append(f"O6: expected {expected} in all accounts, got {total}")
    for saga_id in journal.sagas:
        moved = inbox.moved.get(saga_id, {})
        sums = [int(moved.get(f"bank.{kind}", 0)) for kind in ("Withdraw", "Refund", "Deposit")]
        right = ([-AMOUNT, 0, AMOUNT],) if _completed(journal, saga_id) else ([0, 0, 0], [-AMOUNT, AMOUNT, 0])
        if sums not in right:
            found.append(f"O6: {saga_id}: expected one of {right}, got {sums}")
    return found


def _completed(journal: Journal, saga_id: str) -> bool:
    return any(isinstance(event, e.SagaCompleted) for event in _events(journal, saga_id))


# ---------------------------------------------------------------- O7


def open_ends(world: World) -> list[str]:
    """What is still to be said: requests without answer, replies that were not read, sagas without end."""
    found: list[str] = []
    answered: Counter[str] = Counter()
    ended: set[str] = set()
    for record in world.cluster.committed(world.topics.outcomes):
        match parse_outcome(record):
            case RequestAnswered(request_id=request_id):
                answered[request_id] += 1
            case SagaEnded(saga_id=saga_id):
                ended.add(saga_id)
    asked = Counter(each.request_id for each in world.asked)
    found += [f"request {name} is not answered" for name, count in asked.items() if answered[name] < count]
    for shard, rows in world.database._database.tables.items():
        found += [f"{name} has not ended" for name in rows.sagas if name not in ended]
        unread = [each for each in world.bank.replies if each.partition == shard]
        if unread and unread[-1].offset >= rows.row.next_replies:
            found.append(f"shard {shard} has not read its replies")
        log = world.cluster.log(world.topics.journal, shard)
        footer = _last_footer(log.committed(world.looked.get(shard, 0), log.stable_end))
        if footer is None or parse_footer(footer.value).batches[-1].seq != rows.row.seq:
            found.append(f"shard {shard} has not published batch {rows.row.seq}")
    if world.bank.waiting():
        found.append("the bank has not answered")
    return found


def waiting_for_an_operator(world: World) -> list[str]:
    """Sagas with an open incident."""
    rows = (each for found in world.database._database.tables.values() for each in found.incidents.values())
    return sorted({row.saga_id for row in rows if row.closed_ms is None})


def _refusals(world: World) -> list[str]:
    """A database that was never lost is not refused."""
    if world.damaged:
        return []
    return [
        f"O7: {each.name} refused a healthy database: {each.refusals[0]}" for each in world.living() if each.refusals
    ]
