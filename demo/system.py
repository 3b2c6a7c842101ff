"""The whole system on this computer: Kafka and Postgres, the bank, the orchestrator, each a process of its own.

Every process ends when this one does, however it ends; each writes its log into the system's directory.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription, MemberDescription

from orchestrator.broker.translation import error_of, translated
from orchestrator.errors import OrchestratorError, Unavailable
from orchestrator.local.kafka import KafkaBroker
from orchestrator.local.processes import Command, ServerProcess
from orchestrator.local.stack import LocalStack, StackOptions
from orchestrator.settings import Settings
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from concurrent.futures import Future

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "money_transfer"
SAGA: Final = (sys.executable, "-m", "orchestrator.cli.main")
"""The command ``saga``, of this very installation."""
READY_S: Final = 30.0
POLL_S: Final = 0.05


class CommandFailed(OrchestratorError):
    """One of the commands of the system ended with an error, which it printed."""


class Service:
    """A long-running process: it can be killed and started again."""

    def __init__(self, name: str, line: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        """Starts nothing yet. ``environment`` is added to ours."""
        directory.mkdir(parents=True, exist_ok=True)
        variables = [f"{name}={value}" for name, value in environment.items()]
        self.log = directory / "log"
        self._process = ServerProcess(
            Command(name, ["/usr/bin/env", *variables, *line], directory, self.log, stop_signal=SIGTERM)
        )

    @property
    def pid(self) -> int:
        """Its process id; it must run."""
        assert self._process.pid is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Start it; it is not ready yet when this returns."""
        self._process.start()

    @property
    def status(self) -> int | None:
        """The exit status of a process that ended and was not stopped, 128 + n for signal n; None of others."""
        return self._process.status

    def signal(self, number: Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL, this very moment; it may have ended."""
        self.signal(SIGKILL)
        self._process.kill()

    def stop(self) -> None:
        """Ask it to end, and wait until it has. May be called in any state."""
        self._process.stop()

    def require_running(self) -> None:
        """Raise ``Unavailable``, with the end of its log, when it has ended by itself."""
        self._process.require_running()


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemOptions:
    """How the system differs from the defaults; times in ms."""

    shards: int = 4
    session_timeout_ms: int = 6_000
    kafka_port: int | None = None
    """None: any that is free."""
    kafka_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    postgres_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    brokers: Sequence[KafkaBroker] = ()
    """A cluster, instead of the one broker that the options above make."""


class System:
    """``start`` starts the servers, ``with`` ends everything; commands and services are up to the caller."""

    def __init__(self, directory: Path, options: SystemOptions | None = None) -> None:
        """Takes values and starts nothing."""
        self.directory = directory
        self._options = options or SystemOptions()
        self.stack = LocalStack(
            directory,
            StackOptions(
                kafka_port=self._options.kafka_port,
                kafka_settings=self._options.kafka_settings,
                postgres_settings=self._options.postgres_settings,
                brokers=self._options.brokers,
            ),
        )
        self._open = ExitStack()

    def start(self) -> Self:
        """Start the servers; if they do not come up, nothing stays running."""
        self._open.enter_context(self.stack)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    @property
    def settings(self) -> Settings:
        """What a client in this process is given."""
        return Settings(kafka=self.stack.kafka, database=self.stack.database, shards=self._options.shards)

    @property
    def topics(self) -> Topics:
        """The names of the namespace's topics."""
        return Topics(self.settings.namespace)

    @property
    def environment(self) -> dict[str, str]:
        """The same for other processes."""
        return {
            "SAGA_KAFKA": self.stack.kafka,
            "SAGA_DATABASE": self.stack.database,
            "SAGA_SHARDS": str(self._options.shards),
            "SAGA_SESSION_TIMEOUT_MS": str(self._options.session_timeout_ms),
        }

    def saga(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run the command ``saga`` to its end and give what it printed. Raises ``CommandFailed``.

        ``environment`` is where it differs from the system's.
        """
        done = subprocess.run(
            [*SAGA, *arguments],
            env={**os.environ, **self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailed(f"expected `saga {' '.join(arguments)}` to succeed, got:\n{done.stdout}")
        return done.stdout

    def service(self, name: str, line: Sequence[str], environment: Mapping[str, str] | None = None) -> Service:
        """A service of this system, which ends with it; not started yet."""
        service = Service(name, line, {**self.environment, **(environment or {})}, self.directory / name)
        self._open.callback(service.stop)
        return service

    def orchestrator(self) -> Service:
        """``saga run``; not started yet."""
        return self.service("orchestrator", [*SAGA, "run"])

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return len(self._admin().list_topics(topic, READY_S).topics[topic].partitions)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.stack.kafka, "log_level": 0})

    def wait_until_assigned(self, group: str, partitions: int, service: Service) -> None:
        """Return when the members of a consumer group have so many partitions among them. Raises ``Unavailable``."""
        admin = self._admin()
        until = time.monotonic() + READY_S
        while _assigned(admin, group) < partitions:
            service.require_running()
            if time.monotonic() > until:
                raise Unavailable(
                    f"expected {group} to take {partitions} partitions within {READY_S:.0f} s: {service.log}"
                )
            time.sleep(POLL_S)


def _assigned(admin: AdminClient, group: str) -> int:
    asked = cast("dict[str, Future[ConsumerGroupDescription]]", admin.describe_consumer_groups([group]))  # pyright: ignore[reportUnknownMemberType] - its annotations leave out the result
    try:
        members = cast("Sequence[MemberDescription]", asked[group].result(READY_S).members)
    except KafkaException as error:
        if error_of(error).code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise translated(error_of(error), f"look at the group {group}") from error
    return sum(len(member.assignment.topic_partitions) for member in members)
