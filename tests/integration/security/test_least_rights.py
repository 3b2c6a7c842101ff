"""A transfer over TLS, each side with exactly the rights that `saga acls` and docs/security.md give it."""

import json
import shlex
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from orchestrator import Participant, PostgresInbox
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.errors import AccessDenied
from orchestrator.exit_code import ExitCode
from orchestrator.service import build
from orchestrator.settings import load
from orchestrator.wire.record import OutgoingRecord
from tests.integration.cli.conftest import SHARDS, imported, running
from tests.integration.security.conftest import As, bindings
from tests.integration.security.secured import Secured
from tests.page import Page
from tests.waiting import until

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'
PAGE = Page("docs/security.md")
GRANTS, TRIMMING = PAGE.listings("sql")
LISTINGS = PAGE.listings()


@dataclass(frozen=True, slots=True)
class Roles:
    """How each of them connects."""

    orchestrator: Mapping[str, str]
    client: Mapping[str, str]
    deploy: Mapping[str, str]
    operator: Mapping[str, str]
    bank: Mapping[str, str]
    inbox: str


@pytest.fixture
def roles(
    secured: Secured,
    namespace: str,
    file: Path,
    saga_as: As,
    administrator: Mapping[str, str],
    owner: psycopg.Connection,
) -> Roles:
    """Users with these rights: the bank has a certificate, the others a password."""
    printed = saga_as(administrator, "acls", str(file))
    assert printed.status == 0
    rights = bindings(printed.out)
    secured.grant(rights)
    assert saga_as(administrator, "migrate").status == 0
    role = f"{namespace}_orchestrator"
    owner.execute(GRANTS.replace("saga_orchestrator", role).encode())
    database = secured.database(role, "a password", namespace)
    bank = f"{namespace}_bank"
    owner.execute(f"create role {bank} login password 'b'; grant create on schema public to {bank}".encode())
    return Roles(
        {**secured.scram(f"{namespace}-orchestrator", "o"), "SAGA_DATABASE": database},
        secured.scram(f"{namespace}-client", "c"),
        secured.scram(f"{namespace}-deploy", "d"),
        secured.scram(f"{namespace}-operator", "o"),
        secured.mutual(f"{namespace}bank"),
        secured.database(bank, "b", namespace),
    )


@contextmanager
def everything_runs(roles: Roles, namespace: str, file: Path, **more: str) -> Generator[None]:
    messages = imported(file, f"transfer_{namespace}")
    bank = Participant(f"{namespace}bank", inbox=PostgresInbox(roles.inbox))
    for kind in (messages.Withdraw, messages.Refund, messages.Deposit):
        bank.handles(kind)(lambda command, _: messages.Receipt(balance=command.amount))
    own = {"SAGA_NAMESPACE": namespace, "SAGA_SHARDS": str(SHARDS)}
    with bank.running(load({**own, **roles.bank})), running(load({**own, **roles.orchestrator, **more})):
        yield


def test_a_transfer_runs_with_exactly_the_rights_that_are_printed(
    roles: Roles, namespace: str, file: Path, saga_as: As, owner: psycopg.Connection
) -> None:
    deployed = saga_as(roles.deploy, "deploy", str(file), "--create-topics")
    assert deployed.status == 0, deployed.err
    with everything_runs(roles, namespace, file):
        started = saga_as(roles.client, "start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
        poison(roles, namespace)
        until(lambda: len(json.loads(saga_as(roles.operator, "quarantine", "list", "--json").out)) == 2)
        redriven = saga_as(roles.operator, "quarantine", "redrive", "--since", "1h", "--yes")
    assert (started.status, started.out) == (0, "t1 completed: balance=12.5\n")
    assert (redriven.status, redriven.err) == (0, "")
    trimming = load(
        {"SAGA_NAMESPACE": namespace, "SAGA_SHARDS": str(SHARDS), "SAGA_RETENTION": "1s", **roles.orchestrator}
    )
    with closing(build(trimming)) as service, pytest.raises(AccessDenied, match="since SAGA_RETENTION is set"):
        service.check()
    owner.execute(TRIMMING.replace("saga_orchestrator", f"{namespace}_orchestrator").encode())
    with everything_runs(roles, namespace, file, SAGA_RETENTION="1s"):
        until(lambda: saga_as(roles.orchestrator, "show", "t1").status == ExitCode.NOT_FOUND)


def poison(roles: Roles, namespace: str) -> None:
    """A request and a reply that nobody can read, from those who may write there."""
    for role, topic in ((roles.client, f"{namespace}.requests"), (roles.bank, f"{namespace}.replies")):
        with closing(KafkaBroker.of(load({**role, "SAGA_NAMESPACE": namespace}))) as broker:
            broker.publish([OutgoingRecord(topic, 0, None, (), b"poison")])


def test_the_page_lists_the_settings_that_are_used_here(secured: Secured, user: str) -> None:
    listed = [dict(line.split("=", 1) for line in text.splitlines()) for text in LISTINGS if "SAGA_KAFKA=" in text]
    used = [secured.scram(user, "a password"), secured.mutual(user)]
    assert [settings.keys() for settings in listed] == [settings.keys() for settings in used]
    for name in ("SAGA_KAFKA__SECURITY_PROTOCOL", "SAGA_KAFKA__SASL_MECHANISM"):
        assert [settings.get(name) for settings in listed] == [settings.get(name) for settings in used]


def test_the_command_of_the_page_is_one(namespace: str, file: Path, saga_as: As, secured: Secured) -> None:
    (listing,) = (text for text in LISTINGS if text.startswith("saga acls"))
    arguments = shlex.split(listing.partition(">")[0].replace("sagas.py", str(file)))[1:]
    called = saga_as({"SAGA_KAFKA": secured.stack.kafka}, *arguments)
    assert called.status == 0
    assert {right.principal for right in bindings(called.out)} == {
        "User:CN=orchestrator",
        f"User:{namespace}-client",
        f"User:{namespace}-deploy",
        f"User:{namespace}-operator",
        f"User:{namespace}bank",
    }
