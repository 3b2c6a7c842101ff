"""What a process does now and then for all its shards: new definitions, topic identities, deletion, and counting.

Stepped by one thread; a server that does not answer only puts it off.
"""

from collections.abc import Sequence
from typing import Final

from orchestrator.broker.port import Broker, InputPosition
from orchestrator.crashpoints import CrashPoint, nowhere
from orchestrator.errors import OrchestratorError
from orchestrator.shard.catalogue import Catalogue
from orchestrator.shard.shard import Shard
from orchestrator.store.port import Store
from orchestrator.telemetry import logger

DEFINITIONS_MS: Final = 500
"""How old a newly activated blueprint may be before starts use it."""
ENDS_MS: Final = 2_000
"""How old the ends of the inputs may be that the lag is reckoned from."""
TOPICS_MS: Final = 10_000
"""How long a recreated topic may go unnoticed, and how often relayed inputs are deleted."""
INCIDENTS_MS: Final = 10_000
"""How old the number of open incidents may be."""
_log = logger("housekeeping")


class Housekeeping:
    """See the module."""

    def __init__(self, broker: Broker, catalogue: Catalogue, store: Store, crash_point: CrashPoint = nowhere) -> None:
        self._broker = broker
        self._catalogue = catalogue
        self._store = store
        self._crash_point = crash_point
        self._topics_at_ms = 0
        self._ends_at_ms = 0
        self._incidents_at_ms = 0
        self._deleted: dict[int, InputPosition] = {}

    def step(self, now_ms: int, shards: Sequence[Shard]) -> int:
        """Do what is due; return when to be stepped again."""
        try:
            self._catalogue.refresh()
            self._catalogue.save()
            if not now_ms < self._ends_at_ms <= now_ms + ENDS_MS:
                self._ends_at_ms = now_ms + ENDS_MS
                for shard in shards:
                    if shard.owned:
                        shard.input_ends = self._broker.input_ends(shard.shard)
            if not now_ms < self._topics_at_ms <= now_ms + TOPICS_MS:  # beyond it the clock was set back meanwhile
                self._topics_at_ms = now_ms + TOPICS_MS
                for shard in shards:
                    self._look_after(shard)
            if not now_ms < self._incidents_at_ms <= now_ms + INCIDENTS_MS:
                self._incidents_at_ms = now_ms + INCIDENTS_MS
                found = self._store.open_incidents()
                for shard in shards:
                    shard.open_incidents = found.get(shard.shard, 0)
        except OrchestratorError as error:  # a missing right is no reason to stop the shards, which need none of it
            _log.warning("put off", text=str(error))
        return now_ms + DEFINITIONS_MS

    def _look_after(self, shard: Shard) -> None:
        relay = shard.relay
        if relay is None or not relay.topic_ids:
            return
        found = {name: topic.id for name, topic in self._broker.topics(tuple(relay.topic_ids)).items()}
        if found != relay.topic_ids:
            shard.retake()
            return
        published = InputPosition(relay.published.next_requests, relay.published.next_replies)
        if published != self._deleted.get(shard.shard):
            self._crash_point("inputs.before_delete")
            self._broker.delete_inputs(shard.shard, published)
            self._deleted[shard.shard] = published
