"""What a verdict says of records that are not as they should be; the audit itself has tests of its own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.__main__ import Result
from chaos.city import City, Process
from chaos.proxy import Proxy
from chaos.storm import Tally
from chaos.verdict import Verdict, different, zombies
from demo.audit import Audit
from demo.journal import Findings, Journal
from demo.system import Service, System
from orchestrator.wire.journal import FooterBatch, footer_record
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics

TOPICS = Topics("saga")
DIGEST = bytes(32)
FIRST, SECOND = (IncomingRecord("saga.outcomes", 0, offset, 0, b"t", (), bytes([offset])) for offset in (4, 5))
REPLY = replace(FIRST, topic=TOPICS.replies)


@pytest.mark.parametrize(
    ("live", "late", "found"),
    [
        ([FIRST, SECOND, REPLY], [SECOND, FIRST], []),
        (
            [FIRST, SECOND],
            [FIRST],
            ["record 5 of saga.outcomes[0]: it was read meanwhile, and is not there at the end"],
        ),
        ([FIRST], [FIRST, REPLY], ["record 4 of saga.replies[0]: it is there at the end, and was not read meanwhile"]),
        (
            [FIRST],
            [replace(FIRST, value=b"x")],
            ["record 4 of saga.outcomes[0]: at the end it is another record than the one that was read meanwhile"],
        ),
    ],
)
def test_two_readers_must_have_seen_the_same(
    live: list[IncomingRecord], late: list[IncomingRecord], found: list[str]
) -> None:
    assert different(live, late, TOPICS.replies) == found


def footers(*owners: str) -> list[IncomingRecord]:
    found: list[IncomingRecord] = []
    for seq, owner in enumerate(owners, 1):
        batch = FooterBatch(
            seq=seq, chain=DIGEST, body=DIGEST, owner=owner, next_requests=0, next_replies=0, now_ms=0, entries=0
        )
        made = footer_record(TOPICS, 1, [batch], {})
        found.append(IncomingRecord(made.topic, made.partition, seq, 0, made.key, made.headers, made.value))
    return found


def test_an_owner_may_write_until_another_one_does_and_not_again() -> None:
    assert zombies(footers("one", "one", "two", "three"), TOPICS.journal) == []
    assert zombies(footers("one", "two", "one", "two"), TOPICS.journal) == [
        "shard 1: owner one wrote behind a later one",
        "shard 1: owner two wrote behind a later one",
    ]


def verdict() -> Verdict:
    findings = Findings()
    audit = Audit(findings, Journal(findings), 0, 0, 0, 0, {})
    return Verdict(audit, reordered=[], lost=[], ends=[], money=[], rebuilt=[])


def result(found: Verdict) -> Result:
    return Result(2_000, 0, 300.0, Tally(kills=20), found, "18.6")


def test_the_last_line_of_a_run_in_which_all_was_kept() -> None:
    assert result(verdict()).kept
    assert result(verdict()).line == (
        "chaos: sagas=2000 kills=20 lost=0 doubled=0 reordered=0 money_conserved=yes rebuilt_equal=yes"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(verdict(), lost=["a", "b"]), "lost=2"),
        (replace(verdict(), reordered=["a"]), "reordered=1"),
        (replace(verdict(), money=["a"]), "money_conserved=no"),
        (replace(verdict(), rebuilt=["a"]), "rebuilt_equal=no"),
        (replace(verdict(), ends=["a"]), "lost=0"),
        (
            replace(verdict(), unsettled={1: "a transaction is open"}, money=None, rebuilt=None),
            "lost=0 doubled=0 reordered=0 money_conserved=unknown rebuilt_equal=unknown",
        ),
    ],
)
def test_whatever_is_wrong_is_told_and_fails_the_run(wrong: Verdict, said: str) -> None:
    assert not result(wrong).kept
    assert said in result(wrong).line


def test_what_was_done_twice_fails_the_run() -> None:
    found = verdict()
    found.audit.findings.doubled.append("command c")
    assert "doubled=1" in result(found).line
    assert not result(found).kept


def test_a_process_that_ends_by_itself_as_it_must_not_fails_the_run() -> None:
    assert not replace(result(verdict()), tally=Tally(inexcusable=["orchestrator-1 ended"])).kept


OWNED = '{"component": "runner", "shard": 1, "event": "shard owned", "timestamp": "2030-01-01T00:00:0%d"}'
REFUSED = (
    '{"shard": 1, "event": "shard not owned", "reason": "%s", "text": "because", "timestamp": "2030-01-01T00:00:0%d"}'
)


@pytest.mark.parametrize(
    ("first", "second", "unsettled"),
    [
        ([OWNED % 1], [REFUSED % ("JournalUnsettled", 2), "saga: half a li"], {1: "because"}),
        ([OWNED % 3], [REFUSED % ("JournalUnsettled", 2)], {}),
        ([REFUSED % ("JournalUnsettled", 1), REFUSED % ("Unavailable", 2)], ['{"shard": 1, "ev'], {}),
    ],
)
def test_a_shard_whose_last_owner_says_that_its_journal_is_open_is_named(
    tmp_path: Path, first: list[str], second: list[str], unsettled: dict[int, str]
) -> None:
    for slot, lines in enumerate((first, second)):
        (tmp_path / f"orchestrator-{slot}").mkdir()
        (tmp_path / f"orchestrator-{slot}" / "log").write_text("\n".join(lines))
    city = City(System(tmp_path), "", absent("participant"), [], way := Proxy(("127.0.0.1", 9)), way)
    way.start()
    way.close()
    assert city.unsettled() == unsettled


def absent(name: str) -> Process:
    def make(_environment: Mapping[str, str]) -> Service:
        raise AssertionError(name)

    return Process(name, make, frozenset())
