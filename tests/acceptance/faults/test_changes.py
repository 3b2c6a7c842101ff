"""Processes that come and go, and a database that is restarted, all under load."""

import pytest

from tests.acceptance.faults.town import ALL, Town
from tests.waiting import until

RESTARTS = 5


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_processes_come_and_go_under_load(town: Town, protocol: str) -> None:
    environment = {"SAGA_GROUP_PROTOCOL": protocol}
    first = town.orchestrator("first", environment)
    until(lambda: first.owned() == ALL)
    town.transfer(20)
    second = town.orchestrator("second", environment)
    until(second.owned)
    town.transfer(20)
    first.stop()
    third = town.orchestrator("third", environment)
    until(lambda: second.owned() | third.owned() == ALL)
    town.transfer(20)
    second.kill()
    until(lambda: third.owned() == ALL)
    town.transfer(20)
    town.settle()
    assert town.prove().journal.incidents == 0


def test_postgres_restarted_again_and_again_under_load(town: Town) -> None:
    town.orchestrator("owner")
    postgres = town.stage.system.stack.postgres
    for number in range(RESTARTS):
        begun = town.transfer(30)
        until(lambda begun=begun: any(town.handles[name].done() for name in begun))
        if number % 2:
            postgres.kill()
        postgres.restart()
    town.settle()
    town.prove()
