"""One orchestrator process, assembled: settings in, a service that runs shards out.

Everything is made here and nothing is decided here. ``saga run``, tests and benchmarks run the same service.
"""

import threading
from collections.abc import Mapping

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import TopicDescription
from orchestrator.broker.rights import missing, of_orchestrator
from orchestrator.broker.topology import check_topology, durability_warnings, namespace_topics
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import AccessDenied, TopicMismatch
from orchestrator.settings import Settings
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.decider import Decider, Desk
from orchestrator.shard.housekeeping import Housekeeping
from orchestrator.shard.intake import Intake
from orchestrator.shard.limits import Limits
from orchestrator.shard.loop import Bounds
from orchestrator.shard.meter import UNMEASURED, Meter
from orchestrator.shard.records import Records
from orchestrator.shard.runner import NOT_RUNNING, Runner, Status
from orchestrator.shard.sagas import Sagas
from orchestrator.shard.shard import Plant
from orchestrator.store.meta import check_meta
from orchestrator.store.migrate import has_tables, migrate
from orchestrator.store.port import ShardStore
from orchestrator.store.postgres import PostgresStore
from orchestrator.telemetry import logger
from orchestrator.wire.topics import Topics

_log = logger("service")


class Service:
    """Checks its servers, and then runs the shards that the consumer group gives to this process."""

    def __init__(self, settings: Settings, crash_point: CrashPoint, meter: Meter, *, migrate_empty: bool) -> None:
        self._settings = settings
        self._crash_point = crash_point
        self._meter = meter
        self._migrate_empty = migrate_empty
        self._dsn = settings.need_database()
        self._topics = Topics(settings.namespace)
        self._broker = KafkaBroker.of(settings, crash_point)
        self._store = PostgresStore(self._dsn, crash_point)
        self._checked = False
        self._stopping = threading.Event()
        self._runner: Runner | None = None

    def check(self) -> None:
        """See that both servers are there and as this namespace needs them, in the order in which they are needed.

        Raises ``Unavailable`` within 10 s when one does not answer, ``TopicMismatch`` for topics that are missing or
        wrong, ``AccessDenied`` for rights that lack, ``ConfigError`` for a database that is not migrated, or another
        namespace's.
        """
        self._broker.check_reachable()
        found = self._check_topics()
        self._check_database()
        self._warn(found)
        self._checked = True

    def run(self) -> None:
        """Own shards until ``stop``, which drains; checks first, unless that was done.

        Raises what ``check`` raises, and later what no retry can mend.
        """
        if not self._checked:
            self.check()
        catalogue = Catalogue(self._broker, self._topics, self._store.save_definitions)
        try:
            catalogue.refresh()  # before any shard is taken: no saga in flight lacks its blueprint
            housekeeping = Housekeeping(self._broker, catalogue, self._store, self._crash_point)
            self._runner = Runner(self._plant(catalogue), housekeeping)
            if self._stopping.is_set():  # asked for before there was anything to stop
                return
            _log.info("running", namespace=self._settings.namespace, shards=self._settings.shards)
            self._runner.run()
            _log.info("stopped")
        finally:
            catalogue.close()

    def stop(self) -> None:
        """Finish what is appended and leave; any thread and any signal handler may call it, and more than once."""
        self._stopping.set()
        if self._runner is not None:
            self._runner.stop()

    def status(self) -> Status:
        """How it stands; any thread may ask."""
        return NOT_RUNNING if self._runner is None else self._runner.status()

    def close(self) -> None:
        """Close the connections that the service holds itself; after ``run``, or instead of it."""
        self._broker.close()
        self._store.close()

    # ------------------------------------------------------------ checks

    def _check_topics(self) -> Mapping[str, TopicDescription]:
        settings = self._settings
        expected = namespace_topics(self._topics, settings.shards)
        found = self._broker.topics([spec.name for spec in expected])
        if not found:
            raise TopicMismatch(
                f"expected the topics of the namespace {settings.namespace!r} in Kafka at {settings.kafka}, found "
                f"none: run `saga deploy FILE --create-topics`, or set SAGA_NAMESPACE"
            )
        problems = check_topology(expected, found)
        if problems:
            raise TopicMismatch(
                "\n  ".join([f"Kafka at {settings.kafka} is not as this namespace needs it:", *problems])
            )
        lacking = missing(of_orchestrator(self._topics, []), found)
        if lacking:
            raise AccessDenied(
                f"Kafka at {settings.kafka} does not allow what `saga run` does: {'; '.join(lacking)}: grant what "
                f"`saga acls FILE` prints"
            )
        return found

    def _check_database(self) -> None:
        settings = self._settings
        if self._migrate_empty and not has_tables(self._dsn):
            migrate(self._dsn, settings.namespace, settings.shards)
            _log.info("the database was empty and got its tables", namespace=settings.namespace)
        check_meta(self._store.meta(), settings.namespace, settings.shards)
        if settings.retention_ms is not None:
            self._store.check_trimming()  # else the process would end when the first saga is old enough

    def _warn(self, found: Mapping[str, TopicDescription]) -> None:
        warnings = [*durability_warnings(self._broker.cluster(), found), *self._store.durability_warnings()]
        if self._settings.local and warnings:
            _log.info("one machine, one copy of everything: fine to develop with, not to keep", servers="saga dev")
            return
        for text in warnings:
            _log.warning("not durable", text=text)

    # ------------------------------------------------------------ parts

    def _plant(self, catalogue: Catalogue) -> Plant:
        settings, topics, broker = self._settings, self._topics, self._broker

        def decider(shard: int, store: ShardStore) -> Decider:
            limits = Limits(broker)
            return Decider(
                Desk(
                    topics=topics,
                    shard=shard,
                    shards=settings.shards,
                    intake=Intake(topics, catalogue),
                    sagas=Sagas(store, settings.cache_sagas),
                    limits=limits,
                    records=Records(topics, shard, limits),
                )
            )

        bounds = Bounds(batch_max=settings.batch_max, relay_backlog_max=settings.relay_backlog_max)
        return Plant(
            topics, broker, self._store, decider, bounds, self._crash_point, self._meter, settings.retention_ms
        )


def build(
    settings: Settings,
    crash_point: CrashPoint = nowhere,
    *,
    migrate_empty: bool = False,
    meter: Meter = UNMEASURED,
) -> Service:
    """A service that connects to nothing yet; ``migrate_empty``: make the tables in a database that has none.

    ``meter`` is told what the shards do.

    Raises ``ConfigError`` for settings that cannot be.
    """
    return Service(settings, crash_point, meter, migrate_empty=migrate_empty)
