"""Orchestrators that come and go faster than the shards can settle, with both group protocols."""

from itertools import count

import pytest

from tests.acceptance.faults.town import ALL, Town
from tests.waiting import until

ROUNDS = 8
MEMBERS = 3
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_storm_of_rebalances_loses_and_doubles_nothing(town: Town, protocol: str) -> None:
    names = (f"member-{number}" for number in count())
    members = [town.orchestrator(next(names), {"SAGA_GROUP_PROTOCOL": protocol}) for _ in range(MEMBERS)]
    for number in range(ROUNDS):
        begun = town.transfer(10)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        members.append(town.orchestrator(next(names), {"SAGA_GROUP_PROTOCOL": protocol}))
        oldest = members.pop(0)
        if number % 2:
            oldest.kill()
        else:
            oldest.stop()
    until(lambda: frozenset[int]().union(*(each.owned() for each in members)) == ALL)
    town.settle()
    town.prove()
