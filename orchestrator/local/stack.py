"""Kafka and Postgres as one thing: `with LocalStack(directory) as stack:` gives both, real and ready.

Starts both at the same time, records their addresses, and ends both when the block or the process ends. Says nothing
about sagas: topics and tables are the business of `saga deploy` and `saga migrate`.
"""

import os
from collections.abc import Mapping
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


class LocalStack:
    """A Kafka broker and a Postgres server over one directory, which keeps their data from one run to the next."""

    def __init__(self, directory: Path | str = LOCAL_DIRECTORY, options: StackOptions | None = None) -> None:
        """Takes values and starts nothing; `start` or `with` does."""
        options = options or StackOptions()
        self.directory = Path(directory).absolute()
        self.kafka_broker = KafkaBroker(
            self.directory / "kafka",
            port=options.kafka_port,
            settings={**(FAST_ABORT if options.fast_abort else {}), **options.kafka_settings},
        )
        self.postgres = PostgresServer(
            self.directory / "postgres", port=options.postgres_port, settings=options.postgres_settings
        )
        self._database = ""
        self._open = ExitStack()

    @property
    def kafka(self) -> str:
        """Kafka's address for clients, `host:port`."""
        return self.kafka_broker.bootstrap

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
        self.kafka_broker.require_running()
        self.postgres.require_running()

    def start(self) -> None:
        """Start both servers and return when both serve what they hold: under 10 s once the broker's jars are there.

        Raises `ConfigError` (directory held by another process, port taken, package missing) or `Unavailable` (a server
        does not come up, or its files cannot be fetched). Then nothing of it stays running.
        """
        with ExitStack() as opening:
            opening.enter_context(held(self.directory))
            opening.callback(self._stop_servers)
            with ThreadPoolExecutor(2, thread_name_prefix="local-stack") as threads:
                kafka, postgres = threads.submit(self.kafka_broker.start), threads.submit(self._start_postgres)
            # Postgres first: it fails sooner, and says more.
            postgres.result()
            kafka.result()
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
        with ThreadPoolExecutor(2, thread_name_prefix="local-stack") as threads:
            stopping = [threads.submit(self.kafka_broker.stop), threads.submit(self.postgres.stop)]
        for stopped in stopping:
            stopped.result()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
