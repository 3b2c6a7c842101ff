"""The definitions topic of one namespace, for those who start sagas by name and those who deploy."""

import threading

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint
from orchestrator.broker.port import Broker
from orchestrator.errors import MessageRejected
from orchestrator.telemetry import logger
from orchestrator.wire.definitions import Activated, parse_definition
from orchestrator.wire.topics import Topics

_log = logger("definitions")


class Definitions:
    """What is deployed, read to the end of the topic whenever it is asked. Calls of several threads wait."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._follower = broker.follower(topics.definitions)
        self._lock = threading.Lock()
        self._active: dict[str, str] = {}
        self._texts: dict[tuple[str, str], str] = {}

    def active(self, name: str) -> Blueprint | None:
        """The blueprint that new sagas of this name start with; None: none is deployed. Raises ``Unavailable``."""
        with self._lock:
            self._catch_up()
            return self._blueprint(name)

    def all_active(self) -> list[Blueprint]:
        """Every active blueprint, by name. Raises ``Unavailable``."""
        with self._lock:
            self._catch_up()
            found = [self._blueprint(name) for name in sorted(self._active)]
            return [blueprint for blueprint in found if blueprint is not None]

    def is_published(self, blueprint: Blueprint) -> bool:
        """Whether this very blueprint was in the topic when it was last read."""
        return (blueprint.name, blueprint.hash) in self._texts

    def known(self) -> str:
        """The names of what is deployed, for a person."""
        return ", ".join(sorted(self._active)) or "none at all"

    def close(self) -> None:
        """Stop reading."""
        self._follower.close()

    def _blueprint(self, name: str) -> Blueprint | None:
        text = self._texts.get((name, self._active.get(name, "")))
        return None if text is None else canonical.loads(text)

    def _catch_up(self) -> None:
        for record in self._follower.catch_up():
            try:
                found = parse_definition(record)
            except MessageRejected as error:
                _log.warning("a definition is ignored", offset=record.offset, reason=error.reason, text=str(error))
                continue
            if isinstance(found, Activated):
                self._active[found.name] = found.hash
            else:
                self._texts[found.name, found.hash] = found.blueprint
