"""What a process tells of itself: counts and times since its start, how its shards stand, whether it is ready."""

from collections import Counter
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from orchestrator.clock import now_ms
from orchestrator.errors import DatabaseBehind
from orchestrator.operations.figures import Figures
from orchestrator.operations.report import Report, text
from orchestrator.shard.runner import NOT_RUNNING, Status
from orchestrator.shard.shard import ShardStatus
from orchestrator.wire.quarantine import REASONS
from tests.unit.shard.world import Process, World, reasons

NAMES = {
    "saga_batch_inputs",
    "saga_decide_seconds",
    "saga_commit_seconds",
    "saga_transaction_seconds",
    "saga_batches_published",
    "saga_retries",
    "saga_incidents",
    "saga_trimmed",
    "saga_quarantined",
    "saga_shard_owned",
    "saga_lag_records",
    "saga_outbox_batches",
    "saga_footer_age_seconds",
    "saga_incidents_open",
}


def values(report: Report) -> dict[tuple[str, str], float]:
    """Name and labels -> value, as a reader of the text sees them."""
    found = text_string_to_metric_families(text([report]).decode())
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in found
        for sample in family.samples
    }


def test_every_figure_is_there_from_the_start() -> None:
    report = Figures().report(NOT_RUNNING)
    assert {family.name for family in report.families} == NAMES
    assert values(report)["saga_batch_inputs_count", ""] == 0


def test_what_the_shards_do_is_counted() -> None:
    world, figures = World(), Figures()
    for number in range(3):
        world.start(f"s{number}")
    process = Process(world, meter=figures)
    world.run(process)
    found = values(figures.report(Status(joined=True, shards=(process.shard.status(),), stuck=())))
    assert found["saga_batch_inputs_count", ""] == 3
    assert found["saga_batch_inputs_sum", ""] == 9
    assert found["saga_batch_inputs_bucket", "le=2.0"] == 0
    assert found["saga_batch_inputs_bucket", "le=5.0"] == 3
    for name in ("decide", "commit"):
        assert found[f"saga_{name}_seconds_count", ""] == 3
        assert 0 < found[f"saga_{name}_seconds_sum", ""] < 10
    assert found["saga_batches_published_total", ""] == 4
    assert 1 <= found["saga_transaction_seconds_count", ""] <= 4
    assert found["saga_shard_owned", "shard=0"] == 1
    assert found["saga_outbox_batches", "shard=0"] == 0


def counted(figures: Figures) -> dict[str, float]:
    """What went into quarantine, by reason."""
    found = values(figures.report(NOT_RUNNING)).items()
    return {
        labels.removeprefix("reason="): count for (name, labels), count in found if name == "saga_quarantined_total"
    }


def test_what_goes_into_quarantine_is_counted_by_its_reason() -> None:
    world, figures = World(), Figures()
    assert counted(figures) == dict.fromkeys(REASONS, 0)
    process = Process(world, meter=figures)
    process.take_over()
    world.start("s1")
    process.step()
    (command,) = world.cluster.committed("bank.commands")
    answered = world.answer(command)
    world.broker.publish([replace(answered, value=b"\x00")] * 2 + [replace(answered, headers=()), answered])
    process.step()
    process.step()
    assert counted(figures) == {**dict.fromkeys(REASONS, 0), **Counter(reasons(world))}
    assert sorted(reasons(world)) == ["missing_header", "undecodable", "undecodable"]


def test_a_command_that_cannot_be_sent_is_counted_in_the_quarantine() -> None:
    world, figures = World(), Figures()
    process = Process(world, meter=figures)
    del world.cluster.topics["bank.commands"]
    process.take_over()
    world.start("s1")
    process.step()
    process.step()
    assert counted(figures)["undeliverable"] == 1
    assert reasons(world) == ["undeliverable"]


def test_a_shard_tells_its_lag_its_outbox_and_the_age_of_its_footer() -> None:
    shard = ShardStatus(
        3,
        owned=True,
        trouble=None,
        unpublished=5,
        lag_requests=7,
        lag_replies=9,
        footer_ms=now_ms() - 60_000,
        open_incidents=2,
    )
    found = values(Figures().report(Status(joined=True, shards=(shard,), stuck=())))
    assert found["saga_lag_records", "input=requests,shard=3"] == 7
    assert found["saga_lag_records", "input=replies,shard=3"] == 9
    assert found["saga_outbox_batches", "shard=3"] == 5
    assert 60 <= found["saga_footer_age_seconds", "shard=3"] < 70
    assert found["saga_incidents_open", "shard=3"] == 2


def test_a_process_is_ready_when_it_owns_its_share_even_if_that_is_none() -> None:
    owned = ShardStatus(0, owned=True, trouble=None)
    assert Figures().report(NOT_RUNNING).unready == ("not a member of the consumer group yet",)
    assert Figures().report(Status(joined=True, shards=(), stuck=())).unready == ()
    assert Figures().report(Status(joined=True, shards=(owned,), stuck=())).unready == ()


def test_a_shard_that_waits_for_an_operator_says_for_what() -> None:
    shards = (
        ShardStatus(0, owned=True, trouble=None),
        ShardStatus(1, owned=False, trouble=None),
        ShardStatus(2, owned=False, trouble=DatabaseBehind("shard 2: keep it")),
    )
    report = Figures(2).report(Status(joined=True, shards=shards, stuck=()))
    assert (report.process, report.unhealthy) == (2, ())
    assert report.unready == (
        "shard 1 is being taken over",
        "shard 2 is not owned: DatabaseBehind: shard 2: keep it",
    )
    assert values(report)["saga_shard_owned", "shard=2"] == 0


def test_a_thread_that_is_stuck_makes_its_process_unhealthy() -> None:
    report = Figures().report(Status(joined=True, shards=(), stuck=("relay-1",)))
    assert report.unhealthy == ("relay-1 is stuck in one step",)
