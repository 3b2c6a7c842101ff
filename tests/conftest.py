"""What every test may use: see `tests/servers.py` for the servers, `tests/no_skips.py` for the rule about skips."""

from collections.abc import Generator

import pytest
import structlog

pytest_plugins = ["tests.no_skips", "tests.servers"]


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Generator[None]:
    """Commands and participants set up logging for their process, which here is that of all tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
