"""docs/runbook.md leaves out no refusal, no incident and no reason of the quarantine, and names no metric in vain."""

import ast
import re
from itertools import pairwise
from typing import get_args

import pytest

from orchestrator.cli.main import COMMANDS
from orchestrator.engine.events import IncidentReason
from orchestrator.errors import AccessDenied, ShardRefused
from orchestrator.wire.quarantine import REASONS
from tests.page import ROOT, Page, codes

PAGE = Page("docs/runbook.md")
SHELL_LINES = [line for listing in PAGE.listings() for line in listing.splitlines()]
INPUTS_ARE_READ_BY = (
    "shard/*.py",
    "wire/avro.py",
    "wire/body.py",
    "wire/headers.py",
    "wire/reply.py",
    "wire/request.py",
)
"""Where a record of the inputs is judged; other modules of the wire read what we wrote ourselves."""


def sections() -> dict[str, str]:
    """Heading of the third level -> what stands below it."""
    headings = list(re.finditer(r"^#+ (.*)$", PAGE.text, re.MULTILINE))
    ends = [*(after.start() for _, after in pairwise(headings)), len(PAGE.text)]
    return {heading[1]: PAGE.text[heading.end() : end] for heading, end in zip(headings, ends, strict=True)}


def refusals() -> list[str]:
    return [kind.__name__ for kind in (*ShardRefused.__subclasses__(), AccessDenied)]


@pytest.mark.parametrize("name", refusals())
def test_each_refusal_has_what_to_do_as_commands(name: str) -> None:
    assert re.search(r"^```\n\S", sections()[name], re.MULTILINE)


def test_the_refusals_are_found() -> None:
    assert {"DatabaseBehind", "JournalUnsettled", "AccessDenied"} <= set(refusals())
    assert [kind for kind in ShardRefused.__subclasses__() if kind.__subclasses__()] == []


def first_codes(heading: str, under: str) -> set[str]:
    (table,) = (rows for title, rows in tables() if title == under and rows[0].startswith(heading))
    return {code for row in table[2:] for code in codes(row.split(" | ")[0])}


def tables() -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for title, text in sections().items():
        rows = [line for line in text.splitlines() if line.startswith("|")]
        if rows:
            found.append((title, rows))
    return found


def test_each_reason_of_an_incident_is_explained() -> None:
    assert first_codes("| reason ", "Incidents") == set(get_args(IncidentReason))


def test_each_reason_of_the_quarantine_is_explained() -> None:
    files = [file for pattern in INPUTS_ARE_READ_BY for file in (ROOT / "orchestrator").glob(pattern)]
    found = {
        node.args[0].value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "MessageRejected"
        and isinstance(node.args[0], ast.Constant)
    }
    assert {"unknown_saga", "undecodable"} <= found
    assert first_codes("| reason ", "Quarantine") == found | {"undeliverable"} == set(REASONS)


def test_the_metrics_of_the_alerts_exist() -> None:
    tables = [
        *Page("docs/operations.md").table("| metric | what it is |"),
        *Page("docs/recovery.md").table("| figure | |"),
    ]
    there = {code.partition("{")[0] for row in tables for code in codes(row[0])}
    named = set(re.findall(r"saga_[a-z_]+", sections()["Alerts"]))
    assert {"saga_shard_owned", "saga_incidents_open"} <= named <= there


def test_each_line_is_a_command_of_saga_or_of_the_servers() -> None:
    programs = {line.split()[0] for line in SHELL_LINES}
    kafka = {name for name in programs if re.fullmatch(r"kafka-[a-z-]+\.sh", name)}
    assert programs - kafka == {"saga", "psql", "pg_dump", "curl"}
    assert {line.split()[1] for line in SHELL_LINES if line.startswith("saga ")} <= set(COMMANDS)
