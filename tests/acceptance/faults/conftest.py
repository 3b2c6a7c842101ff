"""One stack for all schedules of faults; each has a namespace and a database of its own."""

from collections.abc import Generator

import pytest

from tests.acceptance.faults.town import Stage, Town, stage_in, town_on
from tests.servers import new_directory


@pytest.fixture(scope="package")
def stage() -> Generator[Stage]:
    with new_directory() as directory, stage_in(directory) as stage:
        yield stage


@pytest.fixture
def town(stage: Stage) -> Generator[Town]:
    """A new namespace; what was started in it is stopped afterwards."""
    stage.towns += 1
    with town_on(stage, f"town{stage.towns}") as town:
        yield town
