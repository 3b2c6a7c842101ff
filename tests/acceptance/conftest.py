"""A town for each test of faults; its stage is shared by a folder or a module, as the conftest there says."""

from collections.abc import Generator

import pytest

from tests.acceptance.faults.stage import Stage
from tests.acceptance.faults.town import Town, town_on


@pytest.fixture
def town(stage: Stage) -> Generator[Town]:
    """A new namespace; what was started in it is stopped afterwards."""
    stage.towns += 1
    with town_on(stage, f"town{stage.towns}") as town:
        yield town
