"""Nothing lost, nothing doubled, order kept: proved from the records that a read_committed consumer saw.

Knows the wire and nothing of the orchestrator's inside: anyone who reads the topics can do the same. Takes records,
gives sentences; the journal's own part is in ``journal.py``.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from demo.journal import Findings, Journal, read_journal
from orchestrator.wire.outcome import RequestAnswered, SagaEnded, parse_outcome
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found."""

    findings: Findings
    journal: Journal
    commands: int
    commands_doubled: int
    replies: int
    replies_lost: int
    outcomes: Mapping[str, str]
    """Transfer -> completed or compensated, as its outcome record says."""

    @property
    def passed(self) -> bool:
        """Whether nothing was found that should not be."""
        return not self.findings.all


def audit(records: Sequence[IncomingRecord], topics: Topics, commands: str, transfers: Collection[str]) -> Audit:
    """Compare commands, replies and outcomes with the journal, and ``transfers`` with all of them.

    ``records`` of each partition are in order, from its first to its last; ``commands`` is the participant's topic.
    """
    journal = read_journal(records, topics.journal)
    findings = journal.findings
    by_topic: dict[str, list[IncomingRecord]] = defaultdict(list)
    for record in records:
        by_topic[record.topic].append(record)
    doubled = _commands(by_topic[commands], journal, findings)
    lost = _replies(by_topic[topics.replies], journal, findings)
    outcomes = _outcomes(by_topic[topics.outcomes], journal, findings, transfers)
    for record in by_topic[topics.quarantine]:
        of = (record.key or b"nobody").decode(errors="replace")
        findings.lost.append(f"what is in quarantine at {record.partition}/{record.offset}, of {of}")
    return Audit(
        findings=findings,
        journal=journal,
        commands=len(by_topic[commands]),
        commands_doubled=doubled,
        replies=len(by_topic[topics.replies]),
        replies_lost=lost,
        outcomes=outcomes,
    )


def _headers(record: IncomingRecord) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


# ---------------------------------------------------------------- commands


def _commands(records: Iterable[IncomingRecord], journal: Journal, findings: Findings) -> int:
    """Every command that the journal records came once, in its place, and no other; returns those that came twice."""
    seen: dict[tuple[str, int], list[str]] = defaultdict(list)
    by_saga: dict[str, list[tuple[str, int]]] = defaultdict(list)
    sequences: Counter[str] = Counter()
    last: dict[tuple[int, str], tuple[int, int]] = {}
    for record in records:
        headers = _headers(record)
        key, sequence = (headers["ce_id"], int(headers["ce_attempt"])), headers["ce_sequence"]
        seen[key].append(sequence)
        sequences[sequence] += 1
        by_saga[headers["ce_subject"]].append(key)
        shard, batch, index = sequence.split(":")
        place = int(batch), int(index)
        if place < last.get((record.partition, shard), place):
            findings.disordered.append(f"{sequence} ({key[0]}) stands behind a later command of its shard")
        last[record.partition, shard] = place
    twice = [f"command {name}, attempt {attempt}" for (name, attempt), places in seen.items() if len(places) > 1]
    twice += [f"the place {sequence} among commands" for sequence, count in sequences.items() if count > 1]
    findings.doubled += twice
    _compare_with_journal(seen, by_saga, journal, findings)
    return len(twice)


def _compare_with_journal(
    seen: Mapping[tuple[str, int], Sequence[str]],
    by_saga: Mapping[str, list[tuple[str, int]]],
    journal: Journal,
    findings: Findings,
) -> None:
    expected = {(sent.id, sent.attempt): sent.sequence for commands in journal.sent.values() for sent in commands}
    for (name, attempt), sequence in expected.items():
        places = seen.get((name, attempt), ())
        if not places:
            findings.lost.append(f"command {name}, attempt {attempt}, sent at {sequence}")
        elif sequence not in places:
            findings.lost.append(f"what stood before command {name}: expected at {sequence}, seen at {places[0]}")
    for name, attempt in seen.keys() - expected.keys():
        findings.doubled.append(f"command {name}, attempt {attempt}, of which the journal knows nothing")
    for saga_id, commands in by_saga.items():
        sent = [(command.id, command.attempt) for command in journal.sent.get(saga_id, ())]
        if commands != sent and sorted(commands) == sorted(sent):
            findings.disordered.append(f"the commands of saga {saga_id}")


# ---------------------------------------------------------------- replies


def _replies(records: Iterable[IncomingRecord], journal: Journal, findings: Findings) -> int:
    """Every reply is the cause of events exactly once, or repeats one that is; returns how many are lost."""
    following: Counter[int] = Counter()
    unused: list[tuple[str, int, int]] = []
    answered: set[str] = set()
    lost: list[str] = []
    for record in records:
        place, command = (record.topic, record.partition, record.offset), _headers(record)["ce_commandid"]
        # What is in the journal is deleted from time to time, perhaps before it was read here.
        gap = range(following[record.partition], record.offset)
        lost += [f"the reply at {place[1]}/{at}" for at in gap if not journal.causes[place[0], place[1], at]]
        following[record.partition] = record.offset + 1
        count = journal.causes[place]
        if count > 1:
            findings.doubled.append(f"the reply to {command}, which counted {count} times")
        if count:
            answered.add(command)
        else:
            unused.append((command, record.partition, record.offset))
    for command, partition, offset in unused:
        if command not in answered:
            lost.append(f"the reply to {command} at {partition}/{offset}, of which the journal knows nothing")
    findings.lost += lost
    return len(lost)


# ---------------------------------------------------------------- outcomes


def _outcomes(
    records: Iterable[IncomingRecord], journal: Journal, findings: Findings, transfers: Collection[str]
) -> dict[str, str]:
    """Every transfer was accepted once and has one outcome, which is the journal's; returns the outcomes."""
    accepted: Counter[str] = Counter()
    ends: dict[str, list[str]] = defaultdict(list)
    for record in records:
        match parse_outcome(record):
            case RequestAnswered(saga_id=saga_id, result="accepted"):
                accepted[saga_id] += 1
                if saga_id in ends:
                    findings.disordered.append(f"saga {saga_id} was accepted after it had ended")
            case RequestAnswered(saga_id=saga_id, result=result):
                findings.disordered.append(
                    f"the answer {result!r} for saga {saga_id}: expected topics of this run alone, for it may take a "
                    "place among commands that no event tells of; audit a namespace that nobody else uses"
                )
            case SagaEnded(saga_id=saga_id, status=status):
                ends[saga_id].append(status)
    for saga_id in transfers:
        found = ends.get(saga_id, [])
        if not accepted[saga_id]:
            findings.lost.append(f"the answer to the start of transfer {saga_id}")
        if not found:
            findings.lost.append(f"the outcome of transfer {saga_id}")
        elif found[0] != journal.ended.get(saga_id):
            findings.lost.append(
                f"the end of transfer {saga_id} in the journal: expected {found[0]}, got {journal.ended.get(saga_id)}"
            )
    findings.doubled += [f"the start of transfer {saga_id}" for saga_id, count in accepted.items() if count > 1]
    findings.doubled += [f"the outcome of transfer {saga_id}" for saga_id, found in ends.items() if len(found) > 1]
    known = set(transfers)
    findings.doubled += [f"transfer {saga_id}, which nobody asked for" for saga_id in ends if saga_id not in known]
    return {saga_id: found[0] for saga_id, found in ends.items()}
