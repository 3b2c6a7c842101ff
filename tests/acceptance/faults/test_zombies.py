"""An owner that is stopped in the worst moments, past its session, and goes on after another took its shards over.

``prove`` holds that nothing of it came behind the next owner: neither a row nor a record.
"""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chaos.proxy import Way, proxy_to
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.town import ALL, FENCED, Town
from tests.waiting import PATIENCE_S, until

STOPPING = [sys.executable, str(Path(__file__).with_name("stopping.py"))]
"""The command `saga`, which stops at a crash point."""


def two_owners(town: Town, environment: Mapping[str, str]) -> tuple[Orchestrator, Orchestrator]:
    """One that is to be stopped, and one that is to take over; each has a shard."""
    doomed = town.orchestrator("doomed", environment)
    other = town.orchestrator("other", {name: environment[name] for name in environment if "SESSION" in name})
    until(lambda: len(doomed.owned()) == len(other.owned()) == 1)
    return doomed, other


def wake_up(town: Town, zombie: Orchestrator) -> None:
    """Let it go on beside the new owner, under load, until it knows that it is none."""
    zombie.forget()
    zombie.signal(signal.SIGCONT)
    town.transfer(10)
    until(zombie.log)
    town.settle()


def row_is_locked(town: Town, shard: int) -> bool:
    return not town.ask(f"select from saga.shards where shard = {shard} for update skip locked")


def test_an_owner_that_was_stopped_writes_nothing_behind_the_next_one(town: Town) -> None:
    zombie, other = two_owners(town, {})
    town.transfer(20)
    zombie.signal(signal.SIGSTOP)
    until(lambda: other.owned() == ALL)
    town.settle()
    wake_up(town, zombie)
    town.prove()


def test_an_owner_stopped_in_the_middle_of_an_append_holds_up_nobody(town: Town) -> None:
    with proxy_to(town.settings.need_database()) as proxy:
        # With the default session: what the next owner waits for is that, and then the row's lock.
        zombie, other = two_owners(town, {"SAGA_DATABASE": proxy.dsn, "SAGA_SESSION_TIMEOUT_MS": "6000"})
        town.transfer(10)
        town.settle()  # so that no statement is prepared from now on
        proxy.way = Way.HOLDS_THE_END
        town.transfer(20)
        assert proxy.lost.wait(PATIENCE_S)
        [shard] = zombie.owned()
        until(lambda: row_is_locked(town, shard))
        zombie.signal(signal.SIGSTOP)
        proxy.way = Way.OPEN
        until(lambda: other.owned() == ALL)
        town.settle()
        wake_up(town, zombie)
        town.prove()


def test_an_owner_stopped_in_the_middle_of_a_kafka_transaction_is_fenced(town: Town) -> None:
    proxy = town.stage.kafka_proxy
    zombie, other = two_owners(town, {"SAGA_KAFKA": town.stage.proxied_kafka})
    proxy.hold()
    town.transfer(20)
    assert proxy.lost.wait(PATIENCE_S)
    zombie.signal(signal.SIGSTOP)
    until(lambda: other.owned() == ALL)
    town.settle()
    assert proxy.deliver() in FENCED
    wake_up(town, zombie)
    town.prove()


@pytest.mark.parametrize(("point", "trimmed"), [("trim.before_commit", False), ("trim.after_commit", True)])
def test_an_owner_stopped_in_the_middle_of_a_trimming_trims_nothing_behind_the_next_one(
    town: Town, point: str, *, trimmed: bool
) -> None:
    trimming = {"SAGA_RETENTION": "1s", "SAGA_TEST_CRASH_AT": f"{point}:1"}
    zombie = town.orchestrator("doomed", trimming, STOPPING)
    until(lambda: zombie.owned() == ALL)
    names = town.transfer(10)
    until(lambda: is_stopped(zombie))
    other = town.orchestrator("other")  # which trims nothing
    until(lambda: other.owned() == ALL)
    town.settle()
    town.transfer(10)
    town.settle()
    before = town.ask("select saga_id from saga.sagas")
    # Both shards may have come to it at once, and one of them beyond it.
    assert len(before) < len(names) + 10 if trimmed else {(name,) for name in names} & set(before)
    zombie.forget()
    zombie.signal(signal.SIGCONT)
    until(lambda: zombie.reasons() >= {"OwnershipLost"} or (trimmed and zombie.log()))
    zombie.kill()  # before it owns a shard again, and may trim
    other.stop()
    assert set(before) <= set(town.ask("select saga_id from saga.sagas"))
    last = town.orchestrator("last")
    until(lambda: last.owned() == ALL)
    town.transfer(10)
    town.settle()
    assert town.prove().journal.trimmed > 0 or not trimmed
    assert json.loads(town.saga("verify", "--json"))["equal"] is True


def is_stopped(orchestrator: Orchestrator) -> bool:
    state = Path(f"/proc/{orchestrator.service.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return state == "T"
