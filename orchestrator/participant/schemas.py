"""The schemas of a participant, in every namespace that asks something of it."""

import threading
from collections.abc import Callable, Iterable

from orchestrator.blueprint.model import Json
from orchestrator.broker.port import Broker
from orchestrator.broker.rights import missing, of_answers
from orchestrator.broker.schemas import SchemaTopic
from orchestrator.errors import AccessDenied, ConfigError, MessageRejected, TopicMismatch
from orchestrator.wire.avro import Codec
from orchestrator.wire.topics import Topics


class Schemas:
    """Publishes our schemas in a namespace before the first reply to it, and finds those of its commands.

    ``connect`` gives the broker as a namespace sees it.
    """

    def __init__(self, connect: Callable[[Topics], Broker]) -> None:
        self._connect = connect
        self._own: tuple[Codec, ...] = ()
        self._topics: dict[str, SchemaTopic] = {}
        self._lock = threading.Lock()

    def own(self, codecs: Iterable[Codec]) -> None:
        """These are ours: everything that is read or written here."""
        self._own = tuple(codecs)

    def introduce(self, namespace: str) -> None:
        """Publish ours in ``namespace``, the first time it is seen.

        Raises ``Unavailable``; ``AccessDenied`` for rights that lack; ``TopicMismatch`` or ``MessageRejected`` for a
        namespace that is none.
        """
        if namespace not in self._topics:
            with self._lock:
                if namespace not in self._topics:
                    self._publish(namespace)

    def find(self, namespace: str, schema_id: str) -> Json | None:
        """A schema published in ``namespace``. Raises ``Unavailable``."""
        return self._topics[namespace].find(schema_id)

    def close(self) -> None:
        """Forget what was read."""
        with self._lock:
            for topic in self._topics.values():
                topic.close()
            self._topics.clear()

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
                raise AccessDenied(
                    f"expected the rights to answer commands of the namespace {namespace}, lacking "
                    f"{'; '.join(lacking)}: grant what `saga acls FILE` prints"
                )
            topic.publish(self._own)
            self._topics[namespace] = topic
        finally:
            broker.close()
            if namespace not in self._topics:
                topic.close()
