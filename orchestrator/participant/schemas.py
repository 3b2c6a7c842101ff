"""The schemas of a participant, in every namespace that asks something of it."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from orchestrator.blueprint.model import Json
from orchestrator.broker.port import Broker
from orchestrator.broker.rights import missing, of_answers
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.errors import ConfigError, MessageRejected, NotAuthorized, TopicMismatch
from orchestrator.wire.avro import Codec
from orchestrator.wire.topics import Topics

FORBIDDEN_S: Final = 5.0
"""How long a namespace that lacks rights is not asked again: whoever sends commands from it holds up nobody else."""
FORBIDDEN_MAX: Final = 1_000
"""Namespaces that are remembered so; beyond, all are forgotten."""


class Schemas:
    """Publishes our schemas in a namespace before the first reply to it, and finds those of its commands.

    ``connect`` gives the broker as a namespace sees it. ``home`` is the namespace that its operator has named: rights
    that lack there are their mistake, and those that lack elsewhere are the mistake of who sends commands from there.
    """

    def __init__(self, connect: Callable[[Topics], Broker], home: str) -> None:
        self._connect = connect
        self._home = home
        self._forbidden: dict[str, tuple[float, str]] = {}
        """By namespace: when it was found, and what lacks."""
        self._own: tuple[Codec, ...] = ()
        self._topics: dict[str, SchemaTopic] = {}
        self._lock = threading.Lock()

    def own(self, codecs: Iterable[Codec]) -> None:
        """These are ours: everything that is read or written here."""
        self._own = tuple(codecs)

    def introduce(self, namespace: str) -> None:
        """Publish ours in ``namespace``, the first time it is seen.

        Raises ``Unavailable``; ``NotAuthorized`` for rights that lack in our own, and ``MessageRejected`` in another;
        ``TopicMismatch`` or ``MessageRejected`` for a namespace that is none.
        """
        if namespace not in self._topics:
            with self._lock:
                if namespace not in self._topics:
                    self._publish_where_allowed(namespace)

    def find(self, namespace: str, schema_id: str) -> Json | None:
        """A schema published in ``namespace``. Raises ``Unavailable``."""
        return self._topics[namespace].find(schema_id)

    def close(self) -> None:
        """Forget what was read."""
        with self._lock:
            for topic in self._topics.values():
                topic.close()
            self._topics.clear()

    def _publish_where_allowed(self, namespace: str) -> None:
        now = time.monotonic()
        found_at, lacks = self._forbidden.get(namespace, (float("-inf"), ""))
        if now - found_at < FORBIDDEN_S:
            raise MessageRejected("forbidden", lacks)
        try:
            self._publish(namespace)
        except NotAuthorized as error:
            if namespace == self._home:
                raise
            if len(self._forbidden) >= FORBIDDEN_MAX:
                self._forbidden.clear()
            self._forbidden[namespace] = now, str(error)
            raise MessageRejected("forbidden", str(error)) from error

    def _publish(self, namespace: str) -> None:
        try:
            topics = Topics(namespace)
        except ConfigError as error:
            raise MessageRejected("malformed_header", f"expected a namespace in ce_source, got {error}") from error
        broker = self._connect(topics)
        topic = SchemaTopic(broker, topics)
        try:
            found = broker.topics([topics.schemas, topics.replies])
            if topics.schemas not in found:
                raise TopicMismatch(f"expected the topic {topics.schemas} of who sends commands, found none")
            lacking = missing(of_answers(topics), found)
            if lacking:  # before a command is answered: its reply could not be sent, and would be lost
                raise NotAuthorized(
                    f"expected the rights to answer commands of the namespace {namespace}, lacking "
                    f"{'; '.join(lacking)}: grant what `saga acls FILE` prints"
                )
            topic.publish(self._own)
            self._topics[namespace] = topic
        finally:
            broker.close()
            if namespace not in self._topics:
                topic.close()
