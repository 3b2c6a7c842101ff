"""The rule that no test is skipped: a skip and an expected failure count as failures.

A skipped test is a promise nobody checks. A test that needs something brings it along.
"""

from collections.abc import Generator

import pytest

RULE = "a test may not be skipped or expected to fail: let it bring what it needs, or delete it; it said:"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped":
        # The mark of an expected failure would make the terminal count it as one.
        vars(report).pop("wasxfail", None)
        report.outcome = "failed"
        report.longrepr = f"{RULE} {report.longrepr}"
