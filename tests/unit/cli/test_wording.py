"""Values, times and durations as a person reads them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from orchestrator.blueprint.values import Data
from orchestrator.cli import wording


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.000 s"),
        (12, "0.012 s"),
        (59_999, "59.999 s"),
        (60_000, "1 min 00 s"),
        (3_599_999, "59 min 59 s"),
        (3_600_000, "1 h 00 min"),
        (86_399_999, "23 h 59 min"),
        (90_000_000, "1 d 01 h"),
    ],
)
def test_a_duration_has_two_units_at_most(ms: int, text: str) -> None:
    assert wording.span(ms) == text


def test_a_time_is_utc_to_the_millisecond() -> None:
    assert wording.instant(1_767_323_045_006) == "2026-01-02T03:04:05.006Z"
    assert wording.optional_instant(None) is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"account": "alice", "balance": Decimal("12.500000000")}, "account=alice, balance=12.5"),
        (Decimal(1000), "1000"),
        (Decimal("99999999999999999999999999999.123456789"), "99999999999999999999999999999.123456789"),
        (None, "none"),
        (True, "true"),
        ("", "''"),
        (" a\n", r"' a\n'"),
        ([1, {"a": None}], "[1, {a=none}]"),
        ({"paid": {"-type": "bank.Card", "number": "7"}}, "paid=bank.Card(number=7)"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (b"abc", "3 bytes"),
    ],
)
def test_a_value_is_told_on_one_line(data: Data, text: str) -> None:
    assert wording.short(data) == text


def test_a_long_value_is_cut() -> None:
    assert len(wording.short("x" * 1000)) == wording.LENGTH_MAX
    assert wording.short("x" * 1000).endswith("x…")


def test_a_message_is_told_with_what_it_says() -> None:
    assert wording.message("bank.Closed", None) == "bank.Closed"
    assert wording.message("OSError", "no space left") == "OSError: no space left"
    assert wording.message("bank.NotFound", {"account": "bob"}) == "bank.NotFound(account=bob)"
