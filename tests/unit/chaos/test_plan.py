"""What will be broken: the same for the same seed, as often as asked, and of every kind."""

from collections import Counter
from itertools import chain

import pytest

from chaos.plan import KILLS, OTHERS, SECONDS_MAX, SECONDS_MIN, Deed, Target, draw
from orchestrator.crashpoints import OF_A_RUN

PER_BAG = sum(count * (2 if deed is Deed.KILLED_AT_A_POINT else 1) for (_, deed), count in KILLS.items())


def test_a_seed_says_all_of_it() -> None:
    assert draw(7, 20) == draw(7, 20)
    assert draw(7, 20) != draw(8, 20)


@pytest.mark.parametrize("kills", range(25))
def test_as_many_are_killed_as_was_asked_for(kills: int) -> None:
    faults = draw(kills, kills)
    assert sum(fault.kills for fault in faults) == kills
    assert sum(not fault.kills for fault in faults) == kills


def test_each_kind_comes_as_often_as_it_should_before_any_comes_more_often() -> None:
    times = 21
    found = Counter((fault.target, fault.deed) for fault in draw(1, times * PER_BAG))
    assert {kind: found[kind] for kind in KILLS} == {kind: times * count for kind, count in KILLS.items()}
    assert PER_BAG == 20
    assert {kind: found[kind] for kind in OTHERS} == {kind: 20 * count for kind, count in OTHERS.items()}
    assert found[Target.KAFKA, Deed.KILLED] == times


def test_a_process_is_killed_at_every_crash_point_before_it_is_at_one_of_them_again() -> None:
    found = Counter(fault.crash_at.partition(":")[0] for fault in draw(3, 200))
    del found[""]
    assert found.keys() == set(OF_A_RUN)
    assert max(found.values()) - min(found.values()) <= 1 < min(found.values())


def test_faults_last_longer_and_shorter_than_a_session() -> None:
    seconds = [fault.seconds for fault in chain.from_iterable(draw(seed, 20) for seed in range(10))]
    assert SECONDS_MIN <= min(seconds) < 1
    assert 3 < max(seconds) <= SECONDS_MAX
