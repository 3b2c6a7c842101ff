"""docs/connectors.md says what the connector does: its tables are the code's."""

import re
from pathlib import Path

from orchestrator_connectors.http.configuration import (
    COMMAND_KEYS,
    KEYS,
    METHODS,
    RESPONSE_BYTES_MAX,
    TIMEOUT_S,
)
from orchestrator_connectors.http.status import DEFAULTS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "connectors.md").read_text()


def table(heading: str) -> list[list[str]]:
    rows = PAGE.split(heading, 1)[1].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]*)`", text)


def test_every_key_is_described() -> None:
    rows = table("| key |")
    described = {key for row in rows for key in code(row[0])}
    assert described == {*KEYS, *(f"command.{key}" for key in COMMAND_KEYS)} - {"command"}
    defaults = {row[0]: row[2] for row in rows}
    assert (defaults["`timeout_s`"], defaults["`response_bytes_max`"]) == (f"{TIMEOUT_S:g}", str(RESPONSE_BYTES_MAX))
    assert [code(row[1]) for row in rows if row[0] == "`command.method`"] == [list(METHODS)]


def test_every_status_is_described() -> None:
    described = {status: code(row[1])[0].strip('"') for row in table("| status |") for status in code(row[0])}
    assert described == DEFAULTS


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
