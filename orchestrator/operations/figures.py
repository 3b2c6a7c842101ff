"""What is measured, by the names under which Prometheus knows it. Documented in `docs/operations.md`."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from orchestrator.clock import now_ms
from orchestrator.operations.report import GAUGE, Family, Labels, Report
from orchestrator.shard.meter import BatchFigures
from orchestrator.shard.runner import Status
from orchestrator.shard.shard import ShardStatus
from orchestrator.wire.quarantine import REASONS

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds: from the fastest commit that was measured to where a transaction times out."""
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)
_CREATED: Final = "_created"
"""prometheus_client's time of birth of each counter, which the text format has no name for."""


class Figures:
    """The meter of one process; counts in memory, and is read by whoever makes its report."""

    def __init__(self, process: int = 1, clock: Callable[[], float] = time.perf_counter) -> None:
        self._process = process
        self.clock = clock
        self._registry = registry = CollectorRegistry()
        self._inputs = Histogram("saga_batch_inputs", "Inputs and timers in a batch.", buckets=SIZES, registry=registry)
        self._decide = Histogram("saga_decide_seconds", "Time to decide a batch.", buckets=SECONDS, registry=registry)
        self._commit = Histogram(
            "saga_commit_seconds", "Time of a batch's Postgres transaction.", buckets=SECONDS, registry=registry
        )
        self._transaction = Histogram(
            "saga_transaction_seconds",
            "Time of a Kafka transaction, from its begin.",
            buckets=SECONDS,
            registry=registry,
        )
        self._published = Counter("saga_batches_published", "Batches published to Kafka.", registry=registry)
        self._retries = Counter("saga_retries", "Commands that were sent again.", registry=registry)
        self._incidents = Counter("saga_incidents", "Incidents that were opened.", registry=registry)
        self._trimmed = Counter("saga_trimmed", "Closed sagas whose rows were trimmed.", registry=registry)
        self._quarantined = Counter(
            "saga_quarantined", "Records that were put into quarantine.", ["reason"], registry=registry
        )
        for reason in REASONS:  # there from the start: what appears with its first count has not risen for Prometheus
            self._quarantined.labels(reason)

    def appended(self, batch: BatchFigures) -> None:
        """See the port."""
        self._inputs.observe(batch.inputs + batch.timers)
        self._decide.observe(batch.decide_s)
        self._commit.observe(batch.commit_s)
        self._retries.inc(batch.retries)
        self._incidents.inc(batch.incidents)

    def trimmed(self, sagas: int) -> None:
        """See the port."""
        self._trimmed.inc(sagas)

    def quarantined(self, reasons: Sequence[str]) -> None:
        """See the port."""
        for reason in reasons:
            self._quarantined.labels(reason).inc()

    def published(self, batches: int, seconds: float) -> None:
        """See the port."""
        self._published.inc(batches)
        self._transaction.observe(seconds)

    def report(self, status: Status) -> Report:
        """All that this process tells of itself, as things stand."""
        return Report(
            process=self._process,
            unhealthy=tuple(f"{name} is stuck in one step" for name in status.stuck),
            unready=tuple(_unready(status)),
            families=(*self._counted(), *_gauges(status, now_ms())),
        )

    def _counted(self) -> Iterator[Family]:
        for metric in self._registry.collect():
            samples = tuple(
                (sample.name, tuple(sorted(sample.labels.items())), sample.value)
                for sample in metric.samples
                if not sample.name.endswith(_CREATED)
            )
            yield Family(metric.name, metric.type, metric.documentation, samples)


def _unready(status: Status) -> Iterator[str]:
    if not status.joined:
        yield "not a member of the consumer group yet"
    for shard in status.shards:
        if shard.trouble is not None:
            yield f"shard {shard.shard} is not owned: {type(shard.trouble).__name__}: {shard.trouble}"
        elif not shard.owned:
            yield f"shard {shard.shard} is being taken over"


def _gauges(status: Status, now_ms: int) -> Iterator[Family]:
    shards = status.shards
    owned = [shard for shard in shards if shard.owned]
    yield _gauge(
        "saga_shard_owned",
        "1: the shard is owned; 0: it is assigned to a process and not owned.",
        [(_of(shard), float(shard.owned)) for shard in shards],
    )
    yield _gauge(
        "saga_lag_records",
        "Records that wait to be read.",
        [((("input", "requests"), *_of(shard)), float(shard.lag_requests)) for shard in owned]
        + [((("input", "replies"), *_of(shard)), float(shard.lag_replies)) for shard in owned],
    )
    yield _gauge(
        "saga_outbox_batches",
        "Batches in Postgres that are not in Kafka yet.",
        [(_of(shard), float(shard.unpublished)) for shard in owned],
    )
    yield _gauge(
        "saga_footer_age_seconds",
        "Time since the last batch that is in Kafka was decided; grows while there is nothing to do.",
        [(_of(each), max(0, now_ms - each.footer_ms) / 1000) for each in owned if each.footer_ms is not None],
    )
    yield _gauge(
        "saga_incidents_open",
        "Incidents that wait for an operator.",
        [(_of(each), float(each.open_incidents)) for each in owned if each.open_incidents is not None],
    )


def _of(shard: ShardStatus) -> Labels:
    return (("shard", str(shard.shard)),)


def _gauge(name: str, text: str, values: list[tuple[Labels, float]]) -> Family:
    return Family(name, GAUGE, text, tuple((name, labels, value) for labels, value in values))
