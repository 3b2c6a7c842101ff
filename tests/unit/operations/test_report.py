"""What processes tell goes through a line of JSON unchanged, and is added up."""

import pytest

from orchestrator.operations.report import Family, Report, counts, dumps, loads, merged, text

REPORT = Report(
    2,
    ("relay-1 is stuck in one step",),
    ('shard 1 is not owned: "quoted", ünd\nbroken',),
    (
        Family("saga_retries", "counter", "Sent again.", (("saga_retries_total", (), 3.0),)),
        Family(
            "saga_lag_records", "gauge", "Waits.", (("saga_lag_records", (("input", "replies"), ("shard", "1")), 7.0),)
        ),
    ),
)


def test_a_report_is_one_line_and_comes_back_as_it_was() -> None:
    line = dumps(REPORT)
    assert "\n" not in line
    assert loads(line) == REPORT


@pytest.mark.parametrize("line", ["", dumps(REPORT)[:-5], "a library prints", "[]", "{}", '{"families": [{}]}'])
def test_what_is_no_report_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(line)


def test_counts_are_added_up_and_of_a_gauge_the_highest_counts() -> None:
    other = Report(1, families=(REPORT.families[0], *loads(dumps(REPORT).replace("7.0", "9.0")).families[1:]))
    summed = {family.name: family.samples for family in merged([*REPORT.families, *other.families])}
    assert summed == {
        "saga_retries": (("saga_retries_total", (), 6.0),),
        "saga_lag_records": (("saga_lag_records", (("input", "replies"), ("shard", "1")), 9.0),),
    }


def test_only_counts_outlive_a_process() -> None:
    assert counts(REPORT.families) == REPORT.families[:1]


def test_prometheus_reads_one_text_of_all_processes() -> None:
    assert text([REPORT, Report(1, families=REPORT.families[:1])]).decode() == (
        "# HELP saga_retries_total Sent again.\n"
        "# TYPE saga_retries_total counter\n"
        "saga_retries_total 6.0\n"
        "# HELP saga_lag_records Waits.\n"
        "# TYPE saga_lag_records gauge\n"
        'saga_lag_records{input="replies",shard="1"} 7.0\n'
    )
