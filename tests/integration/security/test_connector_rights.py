"""`saga connector http` with exactly the rights that `saga acls --connector` prints."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.settings import load
from orchestrator_connectors.http import configuration
from orchestrator_connectors.http.assembly import participant_of
from orchestrator_connectors.http.contract import deployed
from orchestrator_connectors.http.sender import HttpSender
from tests import http_server
from tests.integration.cli.conftest import SHARDS, running
from tests.integration.security.conftest import As, bindings
from tests.integration.security.secured import Secured

INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'
CONNECTOR = """
participant = "{bank}"
url = "{url}"

[[command]]
name = "{bank}.Withdraw"
path = "/withdrawals"

[[command]]
name = "{bank}.Refund"
path = "/refunds"

[[command]]
name = "{bank}.Deposit"
path = "/deposits"
"""


@pytest.fixture
def connector(
    secured: Secured, namespace: str, file: Path, saga_as: As, administrator: Mapping[str, str], user: str
) -> dict[str, str]:
    """The settings of who has the rights of the bank's connector, in a namespace that is ready."""
    assert saga_as(administrator, "migrate").status == 0
    assert saga_as(administrator, "deploy", str(file), "--create-topics").status == 0
    bank = f"{namespace}bank"
    called = saga_as(administrator, "acls", str(file), "--connector", bank, "--principal", f"{bank}=User:{user}")
    secured.grant([right for right in bindings(called.out) if right.principal == f"User:{user}"])
    return {"SAGA_NAMESPACE": namespace, "SAGA_SHARDS": str(SHARDS), **secured.scram(user, "a password")}


def test_a_connector_runs_with_exactly_the_rights_that_are_printed(
    connector: dict[str, str], namespace: str, saga_as: As, administrator: Mapping[str, str], tmp_path: Path
) -> None:
    settings, bank, file = load(connector), f"{namespace}bank", tmp_path / "bank.toml"
    own = {"SAGA_NAMESPACE": namespace, "SAGA_SHARDS": str(SHARDS)}
    with http_server.running() as server, HttpSender(4, 1_000_000) as sender:
        server.says(*http_server.response(200, {"balance": "12.5"}))
        file.write_text(CONNECTOR.format(bank=bank, url=server.url))
        answering = participant_of(configuration.load(file, {}), deployed(settings, bank), sender)
        with answering.running(settings), running(load({**own, **administrator})):
            started = saga_as(administrator, "start", "money_transfer", "--input", INPUT, "--id", "t1", "--wait")
    assert (started.status, started.out) == (0, "t1 completed: balance=12.5\n"), started.err
