"""With known values the functions of expressions compute at once: properties serve participants as well as sagas."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

import pytest

from orchestrator import Record, all_of, any_of, default, length, not_, one_of, present, text


class Color(Enum):
    RED = "r"


class Parcel(Record):
    weight: Decimal
    note: str | None

    @property
    def is_heavy(self) -> bool:
        return any_of(self.weight > 10, all_of(self.weight > 5, not_(present(self.note))))

    @property
    def label(self) -> str:
        return text("{} kg, {}", self.weight, default(self.note, "no note"))


def test_a_property_computes_for_a_participant() -> None:
    assert Parcel(weight=Decimal(11), note="x").is_heavy
    assert Parcel(weight=Decimal(6), note=None).is_heavy
    assert not Parcel(weight=Decimal(6), note="x").is_heavy
    assert Parcel(weight=Decimal("6.50"), note=None).label == "6.50 kg, no note"


def test_each_function_computes_with_known_values() -> None:
    assert length([1, 2]) == 2
    assert length("abc") == 3
    assert one_of(1, 2, 1)
    assert not one_of(1, 2)
    assert default(None, 3) == 3
    assert default(4, 3) == 4
    when = datetime(2026, 1, 2, tzinfo=UTC)
    assert text("{} {} {} {}", Color.RED, True, when, date(2026, 1, 2)) == "RED True 2026-01-02T00:00:00Z 2026-01-02"
    with pytest.raises(TypeError, match="expected what a text can hold, got None"):
        text("{}", None)
