"""What the command line shows of a database; reads only, and touches no shard's connection.

Everything shown says whether it is published: what is not could be taken back by the loss of the database.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Any, Final
from uuid import UUID

import psycopg

from orchestrator.blueprint import values
from orchestrator.blueprint.values import Data
from orchestrator.store import queries
from orchestrator.store.connection import READER_SESSION, Server, connect, translated
from orchestrator.store.meta import check_format, check_namespace, meta_of
from orchestrator.store.port import EventRow, IncidentRow, StoredSaga
from orchestrator.store.tables import stored_saga

_SQL: Final = queries.load()
LIMIT: Final = 100
"""Rows of a page, unless told."""


@dataclass(frozen=True, slots=True)
class ListedSaga:
    """A saga, where it is, and whether its latest change is published."""

    shard: int
    saga: StoredSaga
    published: bool


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event, the batch it came with, and whether that is published."""

    shard: int
    seq: int
    event: EventRow
    published: bool


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """An incident, the name of its saga's definition, and whether its latest change is published."""

    shard: int
    saga: str
    incident: IncidentRow
    published: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaFilter:
    """Which sagas to list; what is None or empty lets all through."""

    status: str | None = None
    saga: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """As typed by a person: ``42`` finds the label's value 42, "42" and decimal 42."""
    after: str | None = None
    """The id of the last saga of the page before."""
    limit: int = LIMIT


@contextmanager
def open_reader(dsn: str, namespace: str) -> Generator["Reader"]:
    """A reader with a connection of its own. Raises ``ConfigError``, also for another namespace's database.

    It and its methods raise ``Unavailable``.
    """
    server = Server.of(dsn)
    with translated(server), connect(server, "saga reader", READER_SESSION) as connection:
        meta = meta_of(connection.execute(_SQL["meta"]).fetchone(), server.name)
        check_namespace(meta, namespace)
        check_format(meta)
        yield Reader(connection)


class Reader:
    """Reads by queries of one statement; see ``open_reader``."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def get_saga(self, saga_id: str) -> ListedSaga | None:
        """The saga with this id, in whichever shard; None: there is none."""
        rows = self._fetch("saga_of_id", saga_id=saga_id)
        return _listed_saga(rows[0]) if rows else None

    @contextmanager
    def one_moment(self) -> Generator[None]:
        """What is read in the block is of one moment: a saga, its events and its incidents fit together."""
        with self._connection.transaction():
            self._connection.execute(_SQL["one_moment"])
            yield

    def definition(self, name: str, hash_: str) -> str | None:
        """The text of a blueprint; None when the cache table lacks it, since no orchestrator has run yet."""
        rows = self._fetch("definition", name=name, hash=hash_)
        return rows[0][0] if rows else None

    def events_of(self, saga_id: str) -> list[ListedEvent]:
        """All events of a saga, in order."""
        return [
            ListedEvent(row[0], row[8], EventRow(*row[1:8]), row[9])
            for row in self._fetch("events_of_saga", saga_id=saga_id)
        ]

    def open_incidents(self, limit: int = LIMIT) -> list[ListedIncident]:
        """What waits for an operator, the oldest first."""
        return [_listed_incident(row) for row in self._fetch("open_incidents", limit=limit)]

    def list_sagas(self, chosen: SagaFilter) -> list[ListedSaga]:
        """A page of sagas, the newest first."""
        page = {"status": chosen.status, "saga": chosen.saga, "after": chosen.after, "limit": chosen.limit}
        if chosen.labels:
            labels = [values.dumps(dict(each)) for each in _meanings(chosen.labels)]
            rows = self._fetch("list_sagas_with_labels", labels=labels, **page)
        else:
            rows = self._fetch("list_sagas", **page)
        return [_listed_saga(row) for row in rows]

    def _fetch(self, query: str, /, **parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(_SQL[query], parameters).fetchall()


def _listed_saga(row: Sequence[Any]) -> ListedSaga:
    shard, *stored, published = row
    return ListedSaga(shard, stored_saga(stored), published)


def _listed_incident(row: Sequence[Any]) -> ListedIncident:
    return ListedIncident(row[0], row[1], IncidentRow(*row[2:9]), row[9])


def _meanings(labels: Mapping[str, str]) -> list[tuple[tuple[str, Data], ...]]:
    """All label objects that a person may mean; the readings of each text, combined."""
    return list(product(*([(name, reading) for reading in _readings(text)] for name, text in labels.items())))


def _readings(text: str) -> list[Data]:
    """What a text on the command line can stand for."""
    readings: list[Data] = [text]
    if text in ("true", "false"):
        readings.append(text == "true")
    with suppress(ValueError):
        readings.append(int(text))
    with suppress(InvalidOperation):
        number = Decimal(text)
        readings.extend([number] if number.is_finite() else [])
    with suppress(ValueError):
        readings.append(UUID(text))
    with suppress(ValueError):
        readings.append(date.fromisoformat(text))
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        readings.append(moment.replace(tzinfo=moment.tzinfo or UTC))
    return readings
