"""The definitions and schemas of a namespace, as their topics say: shared by all shards of a process.

Both topics are read to their end at the start and again when something unknown is asked for, so that a start or a
reply that was written after its definition or schema is never refused. Called by several threads.
"""

import threading
from collections.abc import Callable

from orchestrator.blueprint.model import Blueprint, Json
from orchestrator.broker.definitions import DefinitionTopic, Known
from orchestrator.broker.port import Broker
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.engine.program import Program, prepare
from orchestrator.store.port import Definition
from orchestrator.telemetry import logger
from orchestrator.turns import waiting
from orchestrator.wire.topics import Topics

_log = logger("catalogue")


class Catalogue:
    """Blueprints by name and hash, schemas by id."""

    def __init__(self, broker: Broker, topics: Topics, save: Callable[[list[Definition]], None]) -> None:
        self._lock = threading.Lock()
        self._definitions = DefinitionTopic(broker, topics)
        self._schemas = SchemaTopic(broker, topics)
        self._save = save
        self._programs: dict[str, Program | None] = {}
        """By hash; None: an expression of it is not known to this version."""
        self._unsaved: set[str] = set()
        """Names whose definitions the database's cache lacks: it may have been out of reach when they came."""

    @waiting()
    def refresh(self) -> None:
        """Read both topics to their ends as they are now. Raises ``Unavailable``."""
        with self._lock:
            self._schemas.refresh()
            self._unsaved |= self._definitions.refresh()
            for each in self._definitions.published():
                if each.blueprint.hash not in self._programs:
                    self._programs[each.blueprint.hash] = _prepared(each.blueprint)

    def save(self) -> None:
        """Fill the database's cache with what was read. Called by one thread at a time; raises ``Unavailable``.

        Without the lock while the database is asked: a shard that refreshes waits for Kafka alone.
        """
        with self._lock:
            names, self._unsaved = self._unsaved, set()
            known = [each for each in self._definitions.published() if each.blueprint.name in names]
            rows = [self._row(each) for each in known]
        if not rows:
            return
        try:
            self._save(rows)
        except BaseException:
            with self._lock:
                self._unsaved |= names
            raise

    def _row(self, known: Known) -> Definition:
        name, hash_ = known.blueprint.name, known.blueprint.hash
        return Definition(
            name=name, hash=hash_, blueprint=known.text, active=self._definitions.active(name) is known.blueprint
        )

    def active(self, name: str) -> Program | None:
        """The program of the blueprint that new sagas of this name start with."""
        blueprint = self._definitions.active(name)
        return None if blueprint is None else self.program(blueprint.hash)

    def program(self, hash_: str) -> Program | None:
        """The program of one blueprint."""
        return self._programs.get(hash_)

    def schema(self, schema_id: str) -> Json | None:
        """A schema that a participant or a deploy has published."""
        return self._schemas.known(schema_id)

    def close(self) -> None:
        """Stop reading."""
        self._definitions.close()
        self._schemas.close()


def _prepared(blueprint: Blueprint) -> Program | None:
    try:
        return prepare(blueprint)
    except Exception as error:  # noqa: BLE001 - a text of anybody's, which must not end the process
        _log.warning("definition ignored", saga=blueprint.name, hash=blueprint.hash, text=str(error))
        return None
