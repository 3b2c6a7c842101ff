"""`saga acls`: whom it names, and what it prints for programs."""

import json

import pytest

from examples.money_transfer.saga import money_transfer
from orchestrator.blueprint.model import Blueprint
from orchestrator.cli import acls
from orchestrator.cli.main import main

FILE = "saga.py"


def compile_file(path: str, name: str | None) -> list[Blueprint]:
    assert (path, name) == (FILE, None)
    return [money_transfer.compile()]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_KAFKA", "kafka-1:9092")
    monkeypatch.setenv("SAGA_NAMESPACE", "shop")
    # Compiling a file takes two processes, and is tested with `saga compile`.
    monkeypatch.setattr(acls, "compile_file", compile_file)


def test_each_role_has_a_principal_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acls", FILE, "--principal", "bank=User:CN=bank, O=shop"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("#")] == [
        "# orchestrator, User:shop-orchestrator: runs `saga run`",
        "# client, User:shop-client: starts sagas and waits for them",
        "# deploy, User:shop-deploy: runs `saga deploy FILE --create-topics`",
        "# operator, User:shop-operator: looks into the quarantine with `saga quarantine`",
        "# bank, User:CN=bank, O=shop: answers bank.commands",
    ]
    assert (
        "kafka-acls --bootstrap-server kafka-1:9092 --command-config admin.properties --add "
        "--allow-principal 'User:CN=bank, O=shop' --operation READ --operation DESCRIBE_CONFIGS --topic bank.commands"
    ) in printed.splitlines()


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acls", FILE, "--json"]) == 0
    roles = {role["role"]: role for role in json.loads(capsys.readouterr().out)}
    assert {"kind": "TRANSACTIONAL_ID", "name": "shop-relay-", "pattern": "PREFIXED", "operations": ["WRITE"]} in roles[
        "orchestrator"
    ]["rights"]
    assert roles["bank"] == {
        "role": "bank",
        "principal": "User:bank",
        "rights": [
            {
                "kind": "TOPIC",
                "name": "bank.commands",
                "pattern": "LITERAL",
                "operations": ["READ", "DESCRIBE_CONFIGS"],
            },
            {"kind": "TOPIC", "name": "bank.parked", "pattern": "LITERAL", "operations": ["WRITE", "DESCRIBE_CONFIGS"]},
            {"kind": "GROUP", "name": "bank", "pattern": "LITERAL", "operations": ["READ"]},
            {
                "kind": "TOPIC",
                "name": "shop.replies",
                "pattern": "LITERAL",
                "operations": ["WRITE", "DESCRIBE_CONFIGS"],
            },
            {
                "kind": "TOPIC",
                "name": "shop.schemas",
                "pattern": "LITERAL",
                "operations": ["READ", "WRITE", "DESCRIBE_CONFIGS"],
            },
            {"kind": "GROUP", "name": "shop-orchestrators", "pattern": "LITERAL", "operations": ["DESCRIBE"]},
        ],
    }


def test_a_connector_reads_what_is_deployed_too(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[list[object]] = []
    for more in ([], ["--connector", "bank"]):
        assert main(["acls", FILE, "--json", *more]) == 0
        found += [role["rights"] for role in json.loads(capsys.readouterr().out) if role["role"] == "bank"]
    participant, connector = found
    read = {
        "kind": "TOPIC",
        "name": "shop.definitions",
        "pattern": "LITERAL",
        "operations": ["READ", "DESCRIBE_CONFIGS"],
    }
    assert connector == [*participant, read]
    assert main(["acls", FILE, "--connector", "banque"]) == 2
    assert "a participant in --connector, one of bank, got 'banque'" in capsys.readouterr().err


def test_the_principal_of_nobody_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acls", FILE, "--principal", "banque=User:x"]) == 2
    assert "one of orchestrator, client, deploy, operator, bank, got 'banque'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["acls", FILE, "--principal", "bank=x"])
    assert "expected ROLE=User:NAME, got 'bank=x'" in capsys.readouterr().err
