"""Kafka and Postgres as one thing: `with LocalStack(directory) as stack:` gives both, real and ready.

Starts both at the same time, records their addresses, and ends both when the block or the process ends. Says nothing
about sagas: topics and tables are the business of `saga deploy` and `saga migrate`.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.local.addresses import Addresses, held, write_addresses
from orchestrator.local.kafka import FAST_ABORT, KafkaBroker
from orchestrator.local.leaders import await_leaders
from orchestrator.local.postgres import PostgresServer
from orchestrator.settings import LOCAL_DIRECTORY

DATABASE = "saga"


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How the servers differ from their defaults; a port of None is chosen by us."""

    kafka_port: int | None = None
    postgres_port: int | None = None
    kafka_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    postgres_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    # Abort a killed producer's transaction soon after its timeout.
    fast_abort: bool = False
    # The brokers of one cluster, instead of the one that the options above make.
    brokers: Sequence[KafkaBroker] = ()


class LocalStack:
    """A Kafka broker and a Postgres server over one directory, which keeps their data from one run to the next."""

    def __init__(self, directory: Path | str = LOCAL_DIRECTORY, options: StackOptions | None = None) -> None:
        """Takes values and starts nothing; `start` or `with` does."""
        options = options or StackOptions()
        self.directory = Path(directory).absolute()
        self.brokers = options.brokers or [
            KafkaBroker(
                self.directory / "kafka",
                port=options.kafka_port,
                settings={**(FAST_ABORT if options.fast_abort else {}), **options.kafka_settings},
            )
        ]
        self.postgres = PostgresServer(
            self.directory / "postgres", port=options.postgres_port, settings=options.postgres_settings
        )
        self._database = ""
        self._open = ExitStack()

    @property
    def kafka_broker(self) -> KafkaBroker:
        """The broker; the first one of several."""
        return self.brokers[0]

    @property
    def kafka(self) -> str:
        """Kafka's address for clients, `host:port`; of several brokers all, with commas."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    @property
    def database(self) -> str:
        """The URL of the database `saga`."""
        assert self._database, "the stack has no database before it is started"
        return self._database

    def create_database(self, name: str) -> str:
        """Create a database beside `saga` and give its URL; one that exists already stays as it is."""
        return self.postgres.create_database(name)

    def require_running(self) -> None:
        """Raise `Unavailable`, with the end of its log, when a server has ended that we did not end."""
        for broker in self.brokers:
            broker.require_running()
        self.postgres.require_running()

    def start(self) -> None:
        """Start both servers and return when both serve what they hold: under 10 s once the broker's jars are there.

        Raises `ConfigError` (directory held by another process, port taken, package missing) or `Unavailable` (a server
        does not come up, or its files cannot be fetched). Then nothing of it stays running.
        """
        with ExitStack() as opening:
            opening.enter_context(held(self.directory))
            opening.callback(self._stop_servers)
            with self._threads() as threads:
                postgres = threads.submit(self._start_postgres)
                brokers = [threads.submit(broker.start) for broker in self.brokers]
            # Postgres first: it fails sooner, and says more.
            for started in (postgres, *brokers):
                started.result()
            await_leaders(self.kafka)
            write_addresses(self.directory, Addresses(self.kafka, self.database, os.getpid()))
            self._open = opening.pop_all()

    def close(self) -> None:
        """Stop both servers politely and let the directory go; their data stays. May be called again."""
        self._open.close()

    def _start_postgres(self) -> None:
        self.postgres.start()
        self._database = self.postgres.create_database(DATABASE)

    def _stop_servers(self) -> None:
        with self._threads() as threads:
            stopping = [threads.submit(server.stop) for server in (*self.brokers, self.postgres)]
        for stopped in stopping:
            stopped.result()

    def _threads(self) -> ThreadPoolExecutor:
        """One for each server: the brokers of a cluster wait for one another."""
        return ThreadPoolExecutor(1 + len(self.brokers), thread_name_prefix="local-stack")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
