"""The definitions topic of one namespace: read by the orchestrator, by clients that start by name, and by deploy.

What anybody may have written there is judged here, once: a blueprint that is not one, or stands under another's name
or hash, is left out with a warning, and stops nobody. Calls of several threads wait for each other.
"""

import threading
from dataclasses import dataclass

from orchestrator.blueprint import canonical
from orchestrator.blueprint.model import Blueprint
from orchestrator.broker.port import Broker
from orchestrator.errors import MessageRejected
from orchestrator.telemetry import logger
from orchestrator.wire.definitions import Activated, Published, parse_definition
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics

_log = logger("definitions")


@dataclass(frozen=True, slots=True)
class Known:
    """A blueprint that was published, and the text it was published as."""

    blueprint: Blueprint
    text: str


class DefinitionTopic:
    """What is published in ``{namespace}.definitions``, as of the last ``refresh``."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._follower = broker.follower(topics.definitions)
        self._lock = threading.Lock()
        self._known: dict[str, Known] = {}
        self._active: dict[str, str] = {}

    def refresh(self) -> set[str]:
        """Read to the end of the topic as it is now; the names it had news of. Raises ``Unavailable``."""
        with self._lock:
            return {name for record in self._follower.catch_up() if (name := self._learn(record)) is not None}

    def active(self, name: str) -> Blueprint | None:
        """The blueprint that new sagas of this name start with; None: none is deployed."""
        known = self._known.get(self._active.get(name, ""))
        return known.blueprint if known is not None and known.blueprint.name == name else None

    def all_active(self) -> list[Blueprint]:
        """Every active blueprint, by name."""
        found = (self.active(name) for name in sorted(self._active))
        return [blueprint for blueprint in found if blueprint is not None]

    def published(self) -> list[Known]:
        """Every blueprint, in the order of the topic."""
        return list(self._known.values())

    def is_published(self, hash_: str) -> bool:
        """Whether a blueprint of this hash is there."""
        return hash_ in self._known

    def close(self) -> None:
        """Stop reading."""
        self._follower.close()

    def _learn(self, record: IncomingRecord) -> str | None:
        try:
            found = parse_definition(record)
            if isinstance(found, Activated):
                self._active[found.name] = found.hash
            else:
                self._known[found.hash] = _checked(found)
        except Exception as error:  # noqa: BLE001 - a text of anybody's, which must not end the process
            _log.warning("a definition is ignored", offset=record.offset, text=str(error))
            return None
        return found.name


def _checked(published: Published) -> Known:
    blueprint = canonical.loads(published.blueprint)
    if (blueprint.name, blueprint.hash) != (published.name, published.hash):
        raise MessageRejected(
            "undecodable",
            f"expected the blueprint {published.name}/{published.hash}, got {blueprint.name}/{blueprint.hash}",
        )
    return Known(blueprint, published.blueprint)
