"""Whether every promise was kept: what two read_committed consumers saw, the accounts, and the tables, three times.

Knows nothing of what was broken.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from chaos.city import COMMANDS, SHARDS, City
from chaos.tables import digests
from demo import accounts
from demo.audit import Audit, audit
from demo.system import CommandFailed
from demo.watcher import Watcher
from orchestrator.wire.journal import is_entry, parse_footer
from orchestrator.wire.partition import partition_of
from orchestrator.wire.record import IncomingRecord

REBUILT: Final = "rebuilt"
"""The database that is made from the journals alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; every list is of sentences, and empty when all is well."""

    audit: Audit
    reordered: list[str]
    lost: list[str]
    ends: list[str]
    """Transfers that ended as they must not."""
    money: list[str] | None
    """None: nobody can say, for some transfers have not ended."""
    rebuilt: list[str] | None
    """How the live tables differ from the journals, and those that were rebuilt from the live ones; None: as above."""
    unsettled: Mapping[int, str] = field(default_factory=dict[int, str])
    """By shard, why it stands still: a defect of Kafka, and neither lost nor doubled."""

    @property
    def doubled(self) -> list[str]:
        """What was done twice."""
        return self.audit.findings.doubled

    @property
    def kept(self) -> bool:
        """Whether all of it is as it was promised."""
        found = [self.lost, self.doubled, self.reordered, self.ends, list(self.unsettled.values())]
        return not any(found) and self.money == [] and self.rebuilt == []


def judge(city: City, live: Watcher, orders: Mapping[str, accounts.Order], before: Mapping[str, Decimal]) -> Verdict:
    """Stop all politely, read all, compare all; ``before`` is what was in the accounts. Raises ``Unavailable``."""
    unsettled = city.unsettled()
    for each in (*city.orchestrators, city.participant):
        each.stop()
    live.finish()
    with watcher_of(city) as late:
        late.finish()
    records = [record for record in live.records if record.partition not in unsettled]
    if unsettled:
        orders = {name: order for name, order in orders.items() if partition_of(name, SHARDS) not in unsettled}
    found = audit(records, city.system.topics, COMMANDS, orders.keys())
    done = [orders[name].transfer for name, status in found.outcomes.items() if status == "completed"]
    return Verdict(
        audit=found,
        reordered=found.findings.disordered + zombies(records, city.system.topics.journal),
        lost=found.findings.lost + different(live.records, late.records, city.system.topics.replies),
        ends=accounts.wrong_ends(orders, found.outcomes),
        money=None if unsettled else accounts.wrong_money(before, accounts.balances(city.bank_database), done),
        rebuilt=None if unsettled else _rebuilt(city),
        unsettled=unsettled,
    )


def watcher_of(city: City) -> Watcher:
    """Reads every topic from its first record on; its way leads through no proxy."""
    topics = city.system.topics
    names = (COMMANDS, topics.replies, topics.journal, topics.outcomes, topics.quarantine)
    return Watcher(city.system.stack.kafka, dict.fromkeys(names, SHARDS))


def different(live: Sequence[IncomingRecord], late: Sequence[IncomingRecord], deleted: str) -> list[str]:
    """What only one of two readers saw; of the topic ``deleted`` the later one may lack what was there."""
    seen, left = ({(each.topic, each.partition, each.offset): each for each in side} for side in (live, late))
    gone = [place for place in sorted(seen.keys() - left.keys()) if place[0] != deleted]
    missed = sorted(left.keys() - seen.keys())
    other = [place for place in sorted(seen.keys() & left.keys()) if seen[place] != left[place]]
    return [
        *(f"{_named(place)}: it was read meanwhile, and is not there at the end" for place in gone),
        *(f"{_named(place)}: it is there at the end, and was not read meanwhile" for place in missed),
        *(f"{_named(place)}: at the end it is another record than the one that was read meanwhile" for place in other),
    ]


def _named(place: tuple[str, int, int]) -> str:
    topic, partition, offset = place
    return f"record {offset} of {topic}[{partition}]"


def owners_of(records: Sequence[IncomingRecord], journal: str) -> dict[int, list[str]]:
    """By shard, whose batches came after whose: an owner is named again when it comes back."""
    found: dict[int, list[str]] = {}
    for record in records:
        if record.topic == journal and not is_entry(record):
            named = found.setdefault(record.partition, [])
            named += [batch.owner for batch in parse_footer(record.value).batches]
    return {
        shard: [each for before, each in pairwise(["", *named]) if each != before] for shard, named in found.items()
    }


def zombies(records: Sequence[IncomingRecord], journal: str) -> list[str]:
    """Former owners that wrote behind a later one."""
    return [
        f"shard {shard}: owner {owner} wrote behind a later one"
        for shard, owners in owners_of(records, journal).items()
        for owner in sorted({each for each in owners if owners.count(each) > 1})
    ]


def _rebuilt(city: City) -> list[str]:
    """Compare the live tables with the journals, then what the journals alone are made to with the live tables."""
    system = city.system
    live = digests(system.stack.database)
    try:
        system.saga("verify", "--json", "--rate", "1000000")
        again = system.stack.create_database(REBUILT)
        json.loads(system.saga("recover", "--json", environment={"SAGA_DATABASE": again}))
    except CommandFailed as error:
        return [str(error)]
    found = digests(again)
    return [f"{table}: {live[table]}; rebuilt {found[table]}" for table in live if live[table] != found[table]]
