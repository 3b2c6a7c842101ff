import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
    st.uuids(),
)
KEYS = st.one_of(
    st.text(st.characters(codec="utf-8")), st.sampled_from(["$", "$$", "$decimal", "$$decimal", "$date", "-type"])
)
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)
SMALL_DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=4
)
"""For what only holds data, in many places: made three times as fast."""


@settings(max_examples=50)
@given(DATA)
def test_every_value_comes_back_as_it_went(data: Data) -> None:
    back = values.loads(values.dumps(data))
    assert back == data
    assert type(back) is type(data)


@settings(max_examples=50)
@given(DATA)
def test_the_text_is_canonical(data: Data) -> None:
    text = values.dumps(data)
    assert values.dumps(values.loads(text)) == text
    assert text == json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert values.from_json(values.to_json(data)) == data


def test_the_text_says_what_each_value_is() -> None:
    data: Data = {
        "z": Decimal("12.340"),
        "a": datetime(2026, 1, 2, 5, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        "b": [date(2026, 1, 2), UUID(int=1), b"hi", None, True, -3, 'é"'],
    }
    assert values.dumps(data) == (
        '{"a":{"$datetime":"2026-01-02T03:04:05.000006Z"},"b":[{"$date":"2026-01-02"},'
        '{"$uuid":"00000000-0000-0000-0000-000000000001"},{"$bytes":"aGk="},null,true,-3,"é\\""],'
        '"z":{"$decimal":"12.340"}}'
    )


def test_a_dict_that_looks_like_a_tag_stays_a_dict() -> None:
    data: Data = [{"$decimal": "1"}, {"$$uuid": Decimal(1)}, {"$": {"$date": 3}}, {"$decimal": "1", "other": 2}]
    assert values.dumps(data) == (
        '[{"$$decimal":"1"},{"$$$uuid":{"$decimal":"1"}},{"$$":{"$$date":3}},{"$decimal":"1","other":2}]'
    )
    assert values.loads(values.dumps(data)) == data


def test_what_is_as_deep_as_python_reads_is_written() -> None:
    text = '{"a":[' * 400 + "1" + "]}" * 400
    assert values.dumps(values.loads(text)) == text


class Color(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def test_a_subclass_is_written_as_its_class() -> None:
    assert values.dumps([Color.RED, Level.HIGH]) == '["red",3]'


def test_plain_is_for_people() -> None:
    data: Data = {
        "n": Decimal("1E+2"),
        "t": datetime(2026, 1, 2, tzinfo=UTC),
        "l": [date(2026, 1, 2), b"hi", UUID(int=1)],
    }
    assert values.plain(data) == {
        "n": "100",
        "t": "2026-01-02T00:00:00.000000Z",
        "l": ["2026-01-02", "aGk=", "00000000-0000-0000-0000-000000000001"],
    }


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (Decimal("NaN"), "expected a finite decimal, got NaN"),
        (datetime(2026, 1, 2), "expected a time with its zone"),  # noqa: DTZ001  # what is refused
        ({"x": object()}, "expected a value that messages can hold"),
        (float("inf"), "expected a value that messages can hold"),
        ([1.5], "expected a value that messages can hold, got 1.5, a float"),
        ({1: "x"}, "not subscriptable|str object expected"),
    ],
)
def test_what_is_no_data_is_refused(data: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        values.dumps(data)


@pytest.mark.parametrize(
    "text",
    ["1.5", "NaN", '{"$nothing":"1"}', '{"$decimal":1}', '{"$decimal":"one"}', '{"$bytes":"!"}', '{"$uuid":"x"}', "{"],
)
def test_text_that_dumps_never_wrote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        values.loads(text)
