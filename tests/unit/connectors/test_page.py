"""docs/connectors.md says what the connector does: its tables are the code's."""

from orchestrator_connectors.http.configuration import (
    COMMAND_KEYS,
    KEYS,
    METHODS,
    RESPONSE_BYTES_MAX,
    TIMEOUT_S,
)
from orchestrator_connectors.http.status import DEFAULTS
from tests.page import Page, codes

PAGE = Page("docs/connectors.md")


def test_every_key_is_described() -> None:
    rows = PAGE.table("| key |")
    described = {key for row in rows for key in codes(row[0])}
    assert described == {*KEYS, *(f"command.{key}" for key in COMMAND_KEYS)} - {"command"}
    defaults = {row[0]: row[2] for row in rows}
    assert (defaults["`timeout_s`"], defaults["`response_bytes_max`"]) == (f"{TIMEOUT_S:g}", str(RESPONSE_BYTES_MAX))
    assert [codes(row[1]) for row in rows if row[0] == "`command.method`"] == [list(METHODS)]


def test_every_status_is_described() -> None:
    described = {status: codes(row[1])[0].strip('"') for row in PAGE.table("| status |") for status in codes(row[0])}
    assert described == DEFAULTS
