"""One stack for each module."""

from collections.abc import Generator

import pytest

from tests.acceptance.faults.stage import Stage, stage_in
from tests.servers import new_directory


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with new_directory() as directory, stage_in(directory) as stage:
        yield stage
