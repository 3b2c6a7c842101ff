"""The definitions and schemas of a namespace, as their topics say: shared by all shards of a process.

Both topics are read to their end at the start and again when something unknown is asked for, so that a start or a
reply that was written after its definition or schema is never refused. Called by several threads.
"""

import threading
from collections.abc import Callable

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Json
from orchestrator.broker.port import Broker
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.engine.program import Program, prepare
from orchestrator.errors import MessageRejected
from orchestrator.store.port import Definition
from orchestrator.telemetry import logger
from orchestrator.turns import waiting
from orchestrator.wire.definitions import Activated, Published, parse_definition
from orchestrator.wire.topics import Topics

_log = logger("catalogue")


class Catalogue:
    """Blueprints by name and hash, schemas by id."""

    def __init__(self, broker: Broker, topics: Topics, save: Callable[[list[Definition]], None]) -> None:
        self._lock = threading.Lock()
        self._definitions = broker.follower(topics.definitions)
        self._schemas = SchemaTopic(broker, topics)
        self._save = save
        self._texts: dict[str, tuple[str, str]] = {}
        """Hash -> saga name, blueprint text."""
        self._programs: dict[str, Program] = {}
        self._active: dict[str, str] = {}
        self._unsaved: set[str] = set()
        """Names whose definitions the database's cache lacks: it may have been out of reach when they came."""

    @waiting()
    def refresh(self) -> None:
        """Read both topics to their ends as they are now, and fill the database's cache. Raises ``Unavailable``."""
        with self._lock:
            self._schemas.refresh()
            self._learn_definitions()

    def _learn_definitions(self) -> None:
        for record in self._definitions.catch_up():
            try:
                found = parse_definition(record)
                if isinstance(found, Activated):
                    self._active[found.name] = found.hash
                else:
                    self._programs[found.hash] = _program(found)
                    self._texts[found.hash] = found.name, found.blueprint
            except Exception as error:  # noqa: BLE001 - a text of anybody's, which must not end the process
                _log.warning("definition ignored", offset=record.offset, text=str(error))
                continue
            self._unsaved.add(found.name)
        if self._unsaved:
            self._save(
                [
                    Definition(name=name, hash=hash_, blueprint=text, active=self._active.get(name) == hash_)
                    for hash_, (name, text) in self._texts.items()
                    if name in self._unsaved
                ]
            )
            self._unsaved.clear()

    def active(self, name: str) -> Program | None:
        """The program of the blueprint that new sagas of this name start with."""
        hash_ = self._active.get(name)
        found = None if hash_ is None else self.program(hash_)
        return found if found is not None and found.blueprint.name == name else None

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


def _program(published: Published) -> Program:
    blueprint = canonical.loads(published.blueprint)
    if (blueprint.name, blueprint.hash) != (published.name, published.hash):
        raise MessageRejected(
            "undecodable",
            f"expected the blueprint {published.name}/{published.hash}, got {blueprint.name}/{blueprint.hash}",
        )
    return prepare(blueprint)
