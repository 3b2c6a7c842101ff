"""The group on a real broker, with both of its protocols."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from orchestrator.broker import membership
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import InputPosition
from orchestrator.local import kafka as local_kafka
from tests.contract.broker.clusters import SHARDS, record

Connect = Callable[..., KafkaBroker]
ROOT = Path(__file__).parents[3]
ALL = frozenset(range(SHARDS))
SESSION_MS = 1_500
PATIENCE_SECONDS = 20.0

both_protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@both_protocols
def test_shards_are_shared_with_who_joins_and_come_back_from_who_leaves(
    own_kafka: local_kafka.KafkaBroker, connect: Connect, protocol: str
) -> None:
    bootstrap = own_kafka.bootstrap
    broker = connect(bootstrap, group_protocol=protocol, session_timeout_ms=SESSION_MS)
    broker.publish([record(broker.names.requests, b"%d" % number, partition=number % SHARDS) for number in range(40)])
    broker.delete_inputs(0, InputPosition(5, 0))
    other = connect(bootstrap, group_protocol=protocol, session_timeout_ms=SESSION_MS)
    with closing(broker.membership()) as first, closing(other.membership()) as second:
        until = monotonic() + PATIENCE_SECONDS
        while first.poll(0.05) != ALL:
            assert monotonic() < until
        seen: set[tuple[int, int]] = set()
        while (len(first.poll(0.05)), len(second.poll(0.05))) != (SHARDS // 2, SHARDS // 2):
            mine, yours = first.poll(0), second.poll(0)
            seen.add((len(mine), len(yours)))
            assert not mine & yours
            assert monotonic() < until
        assert all(mine >= SHARDS // 2 for mine, _ in seen), "who stays keeps its shards while another joins"
        assert first.poll(0) | second.poll(0) == ALL
        second.close()
        while first.poll(0.05) != ALL:
            assert monotonic() < until


def test_a_member_that_is_told_nothing_has_joined_after_a_while(
    kafka: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "SHARE_SECONDS", 1.0)
    broker = connect(kafka, group_protocol="consumer")
    with closing(broker.membership()) as alone:
        assert not alone.joined
        until = monotonic() + PATIENCE_SECONDS
        while alone.poll(0.05) != ALL:
            assert monotonic() < until
        assert alone.joined
        with closing(broker.membership()) as late:
            late.poll(0)
            assert not late.joined
            while not late.joined:
                alone.poll(0)
                late.poll(0.05)
                assert monotonic() < until


@both_protocols
def test_shards_of_a_killed_process_are_taken_over_after_its_session(
    own_kafka: local_kafka.KafkaBroker, connect: Connect, protocol: str
) -> None:
    broker = connect(own_kafka.bootstrap, group_protocol=protocol, session_timeout_ms=SESSION_MS)
    command = [sys.executable, "-m", "tests.integration.broker.member", own_kafka.bootstrap, broker.names.namespace]
    with (
        subprocess.Popen([*command, protocol, str(SESSION_MS)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process,
        closing(broker.membership()) as survivor,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line == f"{SHARDS}\n":
                break
        until = monotonic() + PATIENCE_SECONDS
        while len(survivor.poll(0.05)) != SHARDS // 2:
            assert monotonic() < until
        process.kill()
        killed = monotonic()
        while survivor.poll(0.05) != ALL:
            assert monotonic() < until
        # Both sessions are 1.5 to 2 s; the broker notices a closed connection only by them.
        assert monotonic() - killed < 6


def test_member_that_is_cut_off_gives_up_its_shards_by_itself(
    own_kafka: local_kafka.KafkaBroker, connect: Connect
) -> None:
    broker = connect(own_kafka.bootstrap, session_timeout_ms=SESSION_MS)
    until = monotonic() + PATIENCE_SECONDS
    with closing(broker.membership()) as alone:
        while alone.poll(0.05) != ALL:
            assert monotonic() < until
        own_kafka.pause()
        try:
            while alone.poll(0.05):
                assert monotonic() < until
        finally:
            own_kafka.resume()
        while alone.poll(0.05) != ALL:
            assert monotonic() < until
