"""The rows that a journal folds to, in a file of this process: so that comparing takes disk, and no memory."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, fields
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from orchestrator.store.port import EventRow, IncidentRow, Passage, SagaRow, StoredSaga

_KEYS: Final[dict[type[Any], str]] = {
    EventRow: "saga_id, number",
    SagaRow: "saga_id",
    IncidentRow: "saga_id, number",
}
"""Of the tables, which have a column for each field of the row, and one for its batch."""
_KEPT: Final = {"state": "state = coalesce(excluded.state, state)"}
"""What a row may leave as it is."""


def _columns(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


class Scratch:
    """One shard's rows, as they are loaded; see ``loading.Target``. A context manager: the file goes with its block."""

    def __init__(self) -> None:
        self.head: tuple[int, int, int] = (0, 0, 0)
        """The offsets and the time of the last batch."""
        self._directory = TemporaryDirectory(prefix="saga-verify-")
        self._file = sqlite3.connect(f"{self._directory.name}/rows", isolation_level=None)
        self._file.execute("pragma journal_mode = off")
        self._file.execute("pragma synchronous = off")
        for kind, key in _KEYS.items():
            columns = ", ".join(f'"{name}"' for name in _columns(kind))
            self._file.execute(f"create table {kind.__name__} (seq, {columns}, primary key ({key})) without rowid")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._directory.cleanup()

    def sagas(self, ids: Sequence[str]) -> dict[str, StoredSaga]:
        """See ``loading.Target``."""
        found: dict[str, StoredSaga] = {}
        for saga_id in ids:
            with closing(self._file.execute("select * from SagaRow where saga_id = ?", [saga_id])) as cursor:
                for row in cursor:
                    found[saga_id] = self._stored(SagaRow(*row[1:]))
        return found

    def _stored(self, row: SagaRow) -> StoredSaga:
        query = "select type, data from EventRow where saga_id = ? and number > ? order by number"
        with closing(self._file.execute(query, [row.saga_id, row.written])) as cursor:
            return StoredSaga(row, cursor.fetchall())

    def load(self, passage: Passage) -> None:
        """See ``loading.Target``."""
        self._file.execute("begin")
        self.head = passage.next_requests, passage.next_replies, passage.now_ms
        self._write(EventRow, passage.events)
        self._write(SagaRow, passage.sagas)
        self._write(IncidentRow, passage.incidents)
        for kind in _KEYS:
            statement = f"delete from {kind.__name__} where saga_id = ?"  # noqa: S608 - a name of ours
            self._file.executemany(statement, ([saga_id] for saga_id in passage.trimmed))
        self._file.execute("commit")

    def _write(self, kind: type[Any], rows: Sequence[tuple[int, Any]]) -> None:
        columns = ["seq", *_columns(kind)]
        marks = ", ".join("?" * len(columns))
        changes = ", ".join(_KEPT.get(name, f'"{name}" = excluded."{name}"') for name in columns)
        statement = (
            f"insert into {kind.__name__} values ({marks}) "  # noqa: S608 - names of ours
            f"on conflict ({_KEYS[kind]}) do update set {changes}"
        )
        self._file.executemany(statement, ((seq, *astuple(row)) for seq, row in rows))

    def events(self) -> Iterator[tuple[int, EventRow]]:
        """Every event, in the order of its key."""
        return self._read(EventRow)

    def stored_sagas(self) -> Iterator[tuple[int, StoredSaga]]:
        """Every saga, in the order of its key."""
        return ((seq, self._stored(row)) for seq, row in self._read(SagaRow))

    def incidents(self) -> Iterator[tuple[int, IncidentRow]]:
        """Every incident, in the order of its key."""
        return self._read(IncidentRow)

    def _read(self, kind: type[Any]) -> Iterator[tuple[int, Any]]:
        query = f"select * from {kind.__name__} order by {_KEYS[kind]}"  # noqa: S608 - names of ours
        with closing(self._file.execute(query)) as cursor:
            for row in cursor:
                yield row[0], kind(*row[1:])
