"""What every test may use: see `tests/servers.py` for the servers, `tests/no_skips.py` for the rule about skips."""

from collections.abc import Generator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.no_skips", "tests.servers"]

# How long an example takes says how busy the computer is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Generator[None]:
    """Commands and participants set up logging for their process, which here is that of all tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
