"""A saga from a shell: deployed, started, watched, cancelled, mended; each command against the real servers."""

import json
import threading
from pathlib import Path

import pytest

from orchestrator import Settings
from orchestrator.service import Service
from tests.integration.cli.conftest import Bank, Shell
from tests.waiting import until

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'


def start(saga: Shell, *more: str, name: str = "money_transfer", given: str = INPUT) -> tuple[int, dict[str, object]]:
    called = saga("start", name, "--input", given, "--json", *more)
    return called.status, json.loads(called.out)


def test_a_transfer_completes_and_is_shown(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    status, ended = start(saga, "--id", "t1", "--wait")
    assert (status, ended) == (
        0,
        {
            "saga_id": "t1",
            "saga": "money_transfer",
            "answer": "accepted",
            "status": "completed",
            "output": {"balance": "12.5"},
            "reason": "",
            "rejection_type": None,
            "rejection": None,
        },
    )
    told = saga("show", "t1").out.splitlines()
    assert told[0].startswith("money_transfer t1  completed")
    assert [line[:12] for line in told if "→" in line] == ["  ✓ withdraw", "  ✓ deposit "]
    assert "  ── point of no return: passed ──" in told
    assert (
        saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait").out == "t1 completed: balance=12.5\n"
    )


def test_a_shown_saga_is_one_object_with_stable_keys(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    start(saga, "--id", "t1", "--wait")
    shown = json.loads(saga("show", "t1", "--json").out)
    assert list(shown) == [
        "saga_id",
        "saga",
        "status",
        "blueprint",
        "shard",
        "published",
        "trimmed",
        "started_at",
        "ended_at",
        "input",
        "labels",
        "result",
        "cause",
        "waiting",
        "steps",
        "events",
        "incidents",
        "earlier",
    ]
    assert (shown["status"], shown["labels"], shown["waiting"]) == ("completed", {"customer": "alice"}, None)
    assert [(step["name"], step["kind"], step["status"]) for step in shown["steps"]] == [
        ("withdraw", "step", "done"),
        ("deposit", "pivot", "done"),
    ]
    assert [event["type"] for event in shown["events"]] == [
        "SagaStarted",
        "LabelsSet",
        "CommandSent",
        "StepCompleted",
        "CommandSent",
        "StepCompleted",
        "SagaCompleted",
    ]
    assert [event["number"] for event in shown["events"]] == list(range(1, 8))


def test_a_compensated_transfer_is_status_3_and_says_why(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    def nowhere_to_be_found(command: object) -> object:
        raise bank.messages.AccountNotFound(account="bob")

    bank.deposit = nowhere_to_be_found
    status, ended = start(saga, "--id", "t1", "--wait")
    rejection = f"{bank.participant.name}.AccountNotFound"
    assert (status, ended["status"], ended["rejection_type"], ended["rejection"]) == (
        3,
        "compensated",
        rejection,
        {"account": "bob"},
    )
    again = saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
    assert (again.status, again.out) == (3, "")
    assert rejection in again.err
    told = saga("show", "t1").out
    assert "  ↩ withdraw" in told
    assert f"{rejection}(account=bob)" in told


def test_without_waiting_the_id_is_all_that_is_printed(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    called = saga("start", "money_transfer", "--input", INPUT, "--key", "order 7")
    assert called.status == 0
    assert saga("start", "money_transfer", "--input", INPUT, "--key", "order 7").out == called.out
    assert saga("show", called.out.strip()).status == 0


def test_sagas_are_listed_by_status_name_and_label(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    for number in range(3):
        start(saga, "--id", f"t{number}", "--wait", given=INPUT.replace("alice", f"customer {number}"))

    def listed(*filters: str) -> list[str]:
        return [each["saga_id"] for each in json.loads(saga("list", "--json", *filters).out)]

    assert listed() == ["t2", "t1", "t0"]
    assert listed("--limit", "2") == ["t2", "t1"]
    assert listed("--limit", "2", "--after", "t1") == ["t0"]
    assert listed("--where", "customer=customer 1") == ["t1"]
    assert listed("--status", "compensated") == []
    assert listed("--saga", "another") == []
    table = saga("list").out.splitlines()
    assert table[0].split() == ["saga", "id", "status", "started", "took", "at"]
    assert [line.split()[1] for line in table[1:]] == ["t2", "t1", "t0"]


def test_a_cancelled_saga_is_undone(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def wait(command: object) -> object:
        asked.set()
        may_answer.wait()
        return bank.messages.Receipt(balance=1)

    bank.withdraw = wait
    try:
        start(saga, "--id", "t1")
        asked.wait()
        assert f"waits      for {bank.participant.name} to answer withdraw, attempt 1" in saga("show", "t1").out
        cancelled = saga("cancel", "t1")
        assert (cancelled.status, cancelled.out) == (0, "t1 will be undone, unless its pivot turns out to be done\n")
        again = saga("cancel", "t1", "--json")
        assert (again.status, json.loads(again.out)) == (0, {"saga_id": "t1", "answer": "already"})
    finally:
        may_answer.set()
    until(lambda: json.loads(saga("show", "t1", "--json").out)["status"] == "compensated")
    assert "because    cancelled: on request" in saga("show", "t1").out


def test_an_incident_is_listed_explained_and_retried(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    def not_there(command: object) -> object:
        raise bank.messages.AccountNotFound(account="bob")

    def broken(command: object) -> object:
        raise OSError("the vault is locked")

    receipt, bank.deposit, bank.refund = bank.refund, not_there, broken
    start(saga, "--id", "t1")
    until(lambda: len(json.loads(saga("incidents", "--json").out)) == 1)
    (incident,) = json.loads(saga("incidents", "--json").out)
    assert (incident["saga_id"], incident["step"], incident["reason"]) == ("t1", "withdraw", "exhausted")
    table = saga("incidents")
    assert "the vault is locked" in table.out
    assert "saga retry ID" in table.err
    told = saga("show", "t1").out
    assert "  ⚠ 1 withdraw, exhausted, since +" in told
    assert "    saga retry t1  once the cause is mended: tries it again" in told
    assert "saga cancel t1" not in told
    assert "⚠ incident: withdraw" in saga("list").out

    bank.refund = receipt
    retried = saga("retry", "t1")
    assert (retried.status, retried.out) == (0, "t1 tries again\n")
    until(lambda: json.loads(saga("show", "t1", "--json").out)["status"] == "compensated")
    assert saga("incidents").err.endswith("saga: no incident is open\n")


def test_what_is_refused_says_why_and_has_its_status(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    start(saga, "--id", "t1", "--wait")
    for arguments, status, text in [
        (("start", "money_transfer", "--input", INPUT.replace("12.5", "13"), "--id", "t1"), 1, "is another one"),
        (("start", "money_transfer", "--input", '{"source": "alice"}'), 1, "money_transfer.Transfer.target"),
        (("start", "money_transfer", "--input", INPUT, "--id", "a/b"), 2, "'/' is not allowed"),
        (("start", "money_transfer", "--input", INPUT, "--id", "a", "--key", "b"), 2, "not allowed with"),
        (("start", "nothing", "--input", "{}"), 4, "saga deploy FILE"),
        (("cancel", "t1"), 1, "the saga has completed"),
        (("retry", "t1"), 1, "the saga has ended (completed)"),
        (("cancel", "t2"), 4, "no saga has the id t2"),
        (("retry", "t2"), 4, "no saga has the id t2"),
        (("show", "t2"), 4, "`saga list` shows those that there are"),
        (("list", "--where", "customer"), 2, "expected label=value, got 'customer'"),
        (("list", "--where", "a=1", "--where", "a=2"), 2, "expected one value of the label a, got '1' and '2'"),
        (("list", "--limit", "0"), 2, "expected a whole number from 1, got '0'"),
        (("list", "--status", "open"), 2, "running"),
    ]:
        called = saga(*arguments)
        assert (arguments, called.status, called.out) == (arguments, status, "")
        assert text in called.err


def test_without_an_orchestrator_a_start_says_that_none_may_run(deployed: Settings, saga: Shell) -> None:
    called = saga("start", "money_transfer", "--input", INPUT, "--timeout", "0.5")
    assert called.status == 5
    assert "saga run" in called.err


def test_who_waits_long_is_told_where_to_look(
    orchestrator: Service, bank: Bank, saga: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    may_answer = threading.Event()

    def note(text: str) -> None:
        told.append(text)
        may_answer.set()

    def wait(command: object) -> object:
        may_answer.wait()
        return bank.messages.Receipt(balance=12)

    bank.withdraw = wait
    monkeypatch.setattr("orchestrator.cli.start.NOTICE_S", 0.2)
    monkeypatch.setattr("orchestrator.cli.servers.note", note)
    try:
        ended = saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
    finally:
        may_answer.set()
    assert ended.out == "t1 completed: balance=12.5\n"
    look = "`saga show t1` tells what it waits for, `saga incidents` what waits for an operator"
    assert told == [f"t1 is under way: {look}"]


def test_who_waits_no_longer_is_told_where_to_look(orchestrator: Service, bank: Bank, saga: Shell) -> None:
    may_answer = threading.Event()

    def wait(command: object) -> object:
        may_answer.wait()
        return bank.messages.Receipt(balance=12)

    bank.withdraw = wait
    try:
        ended = saga("start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait", "--timeout", "0.5")
    finally:
        may_answer.set()
    assert (ended.status, ended.out) == (5, "")
    assert ended.err.splitlines()[-1] == (
        "saga: saga t1 has not ended within 0.5 s and goes on: `saga show t1` tells what it waits for, "
        "`saga incidents` what waits for an operator"
    )


def test_deploying_again_changes_nothing_and_says_so(deployed: Settings, saga: Shell, file: Path) -> None:
    again = saga("deploy", str(file), "--json")
    (found,) = json.loads(again.out)["sagas"]
    assert (again.status, found["name"], found["changed"]) == (0, "money_transfer", False)
    assert "nothing changed" in saga("deploy", f"{file}:money_transfer").out
