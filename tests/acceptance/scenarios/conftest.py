"""Like the schedules of faults: a new namespace and database for each test, on one stack for each module."""

from collections.abc import Generator

import pytest

from tests.acceptance.faults.town import Stage, Town, stage_in, town_on
from tests.servers import new_directory


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with new_directory() as directory, stage_in(directory) as stage:
        yield stage


@pytest.fixture
def town(stage: Stage) -> Generator[Town]:
    """A new namespace; what was started in it is stopped afterwards."""
    stage.towns += 1
    with town_on(stage, f"town{stage.towns}") as town:
        yield town
