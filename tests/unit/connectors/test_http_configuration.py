"""The configuration file: everything wrong in it is said before the first request."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator_connectors.http.assembly import unanswered
from orchestrator_connectors.http.configuration import load
from orchestrator_connectors.http.contract import contracts
from tests.http_server import response
from tests.unit.connectors.conftest import BLUEPRINT, CONFIGURATION, Connector

REPLACED = {
    "no TOML": ("participant =", "participant", "expected a connector's configuration in .*bank.toml, got "),
    "an unknown key": ("timeout_s = 5", "timeout = 5", "'timeout' is no key of it: did you mean timeout_s?"),
    "an unknown key of a command": ("method = ", "verb = ", r"\[\[command\]\] bank.Refund of .*: 'verb' is no key"),
    "no participant": ('participant = "bank"', "", "expected a text as participant, got nothing"),
    "another participant": ('participant = "bank"', 'participant = "post"', "a name that begins with 'post' and a dot"),
    "no scheme": ("{url}", "bank.example", "expected http:// or https://"),
    "a password in the url": ("{url}", "https://me:hush@bank.example", r"credentials belong into headers"),
    "a port that is none": ("{url}", "http://bank.example:http", "expected http:// or https://"),
    "no time": ("timeout_s = 5", "timeout_s = 0", "expected seconds above 0"),
    "true is no time": ("timeout_s = 5", "timeout_s = true", "expected seconds above 0"),
    "no bytes": ("max = 1000", 'max = "1 kB"', "expected a whole number from 1 as response_bytes_max, got '1 kB'"),
    "a missing secret": ("${TOKEN}", "${KEY}", "expected a secret in SAGA_SECRET__KEY of the environment, got none"),
    "an empty secret": ("${TOKEN}", "${NONE}", "expected a secret in SAGA_SECRET__NONE, got none or one with a blank"),
    "a blank as secret": ("${TOKEN}", "${BLANK}", "expected a secret in SAGA_SECRET__BLANK, got none or one with a"),
    "an empty header": ('"refunds" }', '"" }', "expected a value as the header X-Desk, got none or one with a blank"),
    "a blank at a header's end": ('"refunds" }', '"refunds " }', "expected a value as the header X-Desk, got none or"),
    "a blank in the host": ("{url}", "http://ba nk", "expected http:// or https://"),
    "a tab in the host": ("{url}", "http://ba\\tnk", "expected http:// or https://"),
    "a host of another script with a blank": ("{url}", "http://exa\u00a0mple", "expected http:// or https://"),
    "an empty part of a host": ("{url}", "http://bank..example", "expected http:// or https://"),
    "a host that begins with a dash": ("{url}", "http://-bank-", "expected http:// or https://"),
    "a part of a host that is too long": ("{url}", f"http://{'a' * 64}.example", "expected http:// or https://"),
    "our own header": ("X-Desk", "Idempotency-Key", "the name of a header that is not ours, got 'Idempotency-Key'"),
    "two lines in a header": ('"refunds" }', '"a\\nb" }', r"expected printable ASCII as the header X-Desk"),
    "a method that is none": ('"PUT"', '"put"', "expected a method of POST, GET, PUT, PATCH, DELETE, got 'put'"),
    "no path": ('path = "/refunds"', "", "expected a text as path, got nothing"),
    "a whole url as path": ('"/refunds"', '"https://b/refunds"', "it begins with one slash, the host stands in url"),
    "another host as path": ('"/refunds"', '"//b/refunds"', "it begins with one slash, the host stands in url"),
    "an open brace": ('"/refunds"', '"/refunds/{account"', "expected a path like /accounts/{account}"),
    "more than a name": ('"/refunds"', '"/refunds/{account!r}"', "the name of a field, and nothing else"),
    "a blank in a path": ('"/refunds"', '"/all refunds"', "has characters that must be percent-encoded"),
    "a field that is none": ("{account}/receipt", "{number}/receipt", "got 'number': there is account"),
    "a field that may be nothing": (
        "{day}",
        "{memo}",
        "and never nothing, as memo in the path of .*Withdraw, got one of",
    ),
    "a body that is none": ('["amount", "memo"]', '"some"', 'expected "all" or a list of fields as body'),
    "a body without the field": ('["amount", "memo"]', '["amout"]', "got 'amout': there is account, amount, day, memo"),
    "a status that is none": ("404 =", "4xy =", "expected a status like 404 or 4xx, got '4xy'"),
    "a meaning that is none": ('"none"', '"ignored"', 'expected "completed", "none", "retry", "failed" or'),
    "nothing where there is something": (
        "402 =",
        '200 = "none", 402 =',
        'expected "none" for a query whose reply may be',
    ),
    "an undeclared rejection": ("bank.Closed", "bank.Close", "got 'bank.Close': there is bank.InsufficientFunds, bank"),
    "a command nobody sends": ("bank.Refund", "bank.Return", r"sends to bank \(.*\), got \[\[command\]\] bank.Return"),
    "a command twice": ("bank.Refund", "bank.Withdraw", r"expected one \[\[command\]\] for bank.Withdraw, got 2"),
}


@pytest.mark.parametrize(("before", "after", "said"), REPLACED.values(), ids=REPLACED)
def test_what_is_wrong_is_said(connect: Callable[[str], Connector], before: str, after: str, said: str) -> None:
    assert before in CONFIGURATION
    with pytest.raises(ConfigError, match=said.replace("?", r"\?") if "did you" in said else said):
        connect(CONFIGURATION.replace(before, after, 1))


def test_a_file_without_commands_is_refused(connect: Callable[[str], Connector]) -> None:
    with pytest.raises(ConfigError, match=r"expected a \[\[command\]\] table for each command, got none"):
        connect(CONFIGURATION[: CONFIGURATION.index("[[command]]")])


@pytest.mark.parametrize("host", ["bank", "bank_1.example.", "10.0.0.1:80", "[::1]:80", "bücher.example", "a-b.C"])
def test_a_host_is_taken(connect: Callable[[str], Connector], host: str) -> None:
    assert connect(CONFIGURATION.replace("{url}", f"http://{host}"))


def test_a_secret_is_never_told(connect: Callable[[str], Connector]) -> None:
    connector = connect(CONFIGURATION)
    assert "hush" not in "".join(repr(vars(each)) for each in connector.answering._exchanges.values())


def test_a_command_that_has_no_rule_is_unanswered_unless_its_sagas_may_be_all_over(tmp_path: Path) -> None:
    file = tmp_path / "bank.toml"
    text = CONFIGURATION.replace("{url}", "http://127.0.0.1:1")
    file.write_text(text[: text.index('[[command]]\nname = "bank.FindReceipt"')])
    chosen = load(file, {"TOKEN": "hush"})
    assert unanswered(chosen, contracts([BLUEPRINT], [BLUEPRINT], "bank")) == ["bank.FindReceipt"]
    assert unanswered(chosen, contracts([BLUEPRINT], [], "bank")) == []


def test_mistakes_are_told_together(connect: Callable[[str], Connector]) -> None:
    """Of the file first; what only the sagas know is told once the file can be read."""
    before, after = ("timeout_s = 5", 'method = "PUT"', '"GET"'), ("timeout = 5", 'method = "TAKE"', '"SEEK"')
    text = CONFIGURATION
    for old, new in zip(before, after, strict=True):
        text = text.replace(old, new, 1)
    with pytest.raises(ConfigError) as refused:
        connect(text)
    first, *lines = str(refused.value).splitlines()
    assert first == "3 mistakes"
    assert [re.search(r"'(timeout|TAKE|SEEK)'", line) is not None for line in lines] == [True] * 3
    strange = CONFIGURATION.replace("/{account}/w", "/{nobody}/w").replace("404 =", "409 = { rejected = 'x' }, 404 =")
    with pytest.raises(ConfigError, match=r"(?s)2 mistakes.*'nobody'.*'x'"):
        connect(strange)


def test_a_header_of_a_command_replaces_that_of_all(connect: Callable[[str], Connector]) -> None:
    connector = connect(CONFIGURATION.replace("X-Desk =", "authorization ="))
    connector.server.says(*response(200))
    refund: dict[str, Decimal | str] = {"account": "a", "amount": Decimal(1)}
    assert connector.ask("Refund", {**refund}, role="undo").reply.outcome == "completed"
    assert connector.server.received[0].headers["authorization"] == "refunds"
