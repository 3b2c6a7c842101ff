"""`saga quarantine`: what it prints, what it asks, what it refuses; over a cluster in memory."""

import argparse
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import StringIO

import pytest

from orchestrator.cli import options
from orchestrator.cli.main import main
from orchestrator.client.quarantine import Quarantine
from orchestrator.wire.quarantine import quarantine_record
from orchestrator.wire.record import Headers, IncomingRecord, OutgoingRecord
from tests.unit.shard.world import World

HEADERS: Headers = (("ce_subject", b"s1"), ("ce_commandid", b"s1/withdraw/0/do"), ("ce_type", b"bank.Withdraw.reply"))
LISTED = {
    "place": "0/0",
    "at": "1970-01-01T00:16:40.000Z",
    "reason": "undecodable",
    "text": "expected JSON, got ☃",
    "source": "test.replies/0/42",
    "saga_id": "s1",
    "type": "bank.Withdraw.reply",
    "id": "s1/withdraw/0/do",
    "obstacle": None,
    "settled": None,
}


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One reply that cannot be read, and one command that could not be sent."""
    world = World(2)

    @contextmanager
    def opened() -> Generator[Quarantine]:
        yield Quarantine(world.broker, world.topics)

    monkeypatch.setattr("orchestrator.cli.quarantine._opened", opened)
    record = IncomingRecord(world.topics.replies, 0, 42, 0, b"s1", HEADERS, b'{\n"balance": 1}')
    world.broker.publish([quarantine_record(world.topics, 0, record, "undecodable", "expected JSON, got ☃")])
    world.now_ms += 60_000
    unsent: Headers = (
        ("quarantine_reason", b"undeliverable"),
        ("quarantine_text", b"expected a topic"),
        ("original_ce_id", b"s2/deposit/0/do"),
        ("original_ce_subject", b"s2"),
    )
    world.broker.publish([OutgoingRecord(world.topics.quarantine, 1, b"s2/deposit/0/do", unsent, b"\x00\x01")])
    return world


def replies(world: World) -> list[OutgoingRecord]:
    read = world.cluster.committed(world.topics.replies)
    return [OutgoingRecord(each.topic, each.partition, each.key, each.headers, each.value) for each in read]


ORIGINAL = OutgoingRecord("test.replies", 0, b"s1", HEADERS, b'{\n"balance": 1}')


def test_a_record_gives_the_terminal_of_who_shows_it_no_commands(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile: Headers = (("ce_subject", b"s1\x1b[2J"), ("a\x1b[31mname", b"value\r"))
    record = IncomingRecord(world.topics.replies, 0, 43, 0, b"s1", hostile, b"\x1b]0;owned\x07")
    world.broker.publish([quarantine_record(world.topics, 0, record, "undecodable", "expected \x1b[8m, got\nthat")])
    for arguments in (["show", "0/1"], ["list"], ["redrive", "0/1", "--yes"]):
        assert main(["quarantine", *arguments]) == 0
        out, _ = capsys.readouterr()
        assert r"s1\x1b[2J" in out
        assert not any(ord(sign) < ord(" ") for sign in out if sign != "\n")


def test_the_quarantine_is_listed_the_newest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "list"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "place  since                     reason         saga  message           what happened",
        "1/0    1970-01-01T00:17:40.000Z  undeliverable  s2    s2/deposit/0/do   expected a topic",
        "0/0    1970-01-01T00:16:40.000Z  undecodable    s1    s1/withdraw/0/do  expected JSON, got ☃",
    ]
    assert "saga quarantine show PLACE" in err
    assert main(["quarantine", "list", "--json", "--topic", "test.replies"]) == 0
    assert json.loads(capsys.readouterr().out) == [LISTED]
    assert main(["quarantine", "list", "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), "there may be more: add --limit" in err) == (2, True)


def test_a_record_is_shown_whole(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "show", "0/0"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "place      0/0",
        "since      1970-01-01T00:16:40.000Z",
        "reason     undecodable",
        "text       expected JSON, got ☃",
        "read from  test.replies/0/42",
        "saga       s1",
        "redrive    to test.replies, partition 0",
        "",
        "original_ce_subject: s1",
        "original_ce_commandid: s1/withdraw/0/do",
        "original_ce_type: bank.Withdraw.reply",
        "",
        "{",
        '"balance": 1}',
    ]
    assert main(["quarantine", "show", "1/0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0001"
    assert main(["quarantine", "show", "0/0", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["value"], shown["headers"][-1]) == (
        "ewoiYmFsYW5jZSI6IDF9",
        ["original_ce_type", "YmFuay5XaXRoZHJhdy5yZXBseQ=="],
    )
    assert {name: shown[name] for name in LISTED} == LISTED


def test_nothing_is_redriven_without_a_yes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "redrive", "0/0"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == [
        "0/0",
        "1970-01-01T00:16:40.000Z",
        "undecodable",
        "s1",
        "s1/withdraw/0/do",
        "redrive",
    ]
    assert err == "saga: redrive of 1 record: expected a yes, got nobody to ask: `saga quarantine redrive … --yes`\n"
    assert main(["quarantine", "discard", "--saga", "s1", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out) == {"action": "discard", "done": False, "places": ["0/0"], "obstacles": {}}
    assert "nothing was changed: `saga quarantine discard … --yes`" in err
    assert replies(world) == []
    assert len(world.cluster.committed(world.topics.quarantine)) == 2


@pytest.mark.parametrize("action", ["list", "redrive", "discard"])
def test_a_misspelt_reason_is_refused_and_does_not_look_like_nothing(
    world: World, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["quarantine", action, "--reason", "undecodeable"])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "got 'undecodeable'" in err
    assert "undecodable, " in err
    assert replies(world) == []


@pytest.mark.parametrize(("said", "status", "sent"), [("y\n", 0, [ORIGINAL]), ("n\n", 2, []), ("\n", 2, [])])
def test_a_person_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, said: str, status: int, sent: list[OutgoingRecord]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    assert main(["quarantine", "redrive", "0/0"]) == status
    assert replies(world) == sent


def test_what_is_redriven_says_by_whom(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quarantine", "redrive", "0/0", "--yes", "--by", "alice"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0/0 redriven"
    assert replies(world) == [ORIGINAL]
    assert main(["quarantine", "list", "--saga", "s1"]) == 0
    assert capsys.readouterr() == ("", "saga: nothing like that is in quarantine\n")
    assert main(["quarantine", "list", "--saga", "s1", "--all"]) == 0
    assert "(redriven by alice at 1970-01-01T00:17:40.000Z)" in capsys.readouterr().out
    assert main(["quarantine", "redrive", "--saga", "s1", "--yes"]) == 0
    assert capsys.readouterr() == ("", "saga: nothing like that is in quarantine\n")
    assert replies(world) == [ORIGINAL]


def test_what_cannot_be_redriven_is_told_and_does_not_stop_the_rest(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", "redrive", "--since", "1970-01-01T00:00:00Z", "--yes"]) == 1
    assert "cannot redrive: a command that was never sent" in capsys.readouterr().out
    assert replies(world) == [ORIGINAL]
    assert main(["quarantine", "discard", "--reason", "undeliverable", "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done == {"action": "discard", "done": True, "places": ["1/0"], "obstacles": {}}
    assert main(["quarantine", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["quarantine", "list", "--json", "--all"]) == 0
    settled = [each["settled"] for each in json.loads(capsys.readouterr().out)]
    assert [each["manner"] for each in settled] == ["discarded", "redriven"]
    assert all("@" in each["by"] for each in settled)


def test_of_many_only_the_first_are_printed_and_all_are_done(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = (each for each in world.cluster.committed(world.topics.quarantine) if each.partition == 0)
    world.broker.publish([OutgoingRecord(one.topic, 0, one.key, one.headers, one.value)] * 29)
    assert main(["quarantine", "redrive", "--reason", "undecodable", "--yes"]) == 0
    out, err = capsys.readouterr()
    assert err == "saga: and 10 more: --json has all of them\n"
    assert len(out.splitlines()) == 1 + 20 + 30
    assert replies(world) == [ORIGINAL] * 30


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["show", "0/7"], 4, "expected records of test.quarantine at 0/7, got none"),
        (["redrive", "0/0", "1/7", "--yes"], 4, "at 1/7, got none"),
        (["redrive", "--yes"], 2, "expected places, or one of --reason, --saga, --topic, --since, got none"),
        (["discard", "--yes"], 2, "`saga quarantine discard --since 7d` takes all of a week"),
        (["show", "0-7"], 2, "expected a place like 3/17, got '0-7'"),
        (["list", "--since", "yesterday"], 2, "expected 2h, 7d or a time like"),
        ([], 2, "ACTION"),
    ],
)
def test_what_is_refused_says_why(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, text: str
) -> None:
    try:
        ended = main(["quarantine", *arguments])
    except SystemExit as wrong_call:  # argparse's way of telling
        ended = wrong_call.code
    assert ended == status
    assert text in capsys.readouterr().err
    assert replies(world) == []


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90s", 9_910_000), ("30m", 8_200_000), ("2h", 2_800_000), ("1970-01-01T01:00:00.5+01:00", 500)],
)
def test_a_moment_is_told_by_the_clock_or_backwards(monkeypatch: pytest.MonkeyPatch, text: str, ms: int) -> None:
    monkeypatch.setattr(options, "now_ms", lambda: 10_000_000)
    assert options.moment(text) == ms


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2026-01-31T12:00:00", "2w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected 2h, 7d or a time like 2026-01-31T12:00:00Z, got"):
        options.moment(text)
