"""The names of a namespace's topics, relay ids and consumer group, and which names Kafka allows. Creates nothing."""

import re
from typing import Final

from orchestrator.errors import ConfigError

LENGTH_MAX: Final = 249
"""org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH."""
_LEGAL: Final = re.compile(r"[a-zA-Z0-9._-]+")
"""org.apache.kafka.common.internals.Topic.LEGAL_CHARS."""


def fault_of_topic(name: str) -> str | None:
    """Why ``name`` cannot name a Kafka topic; None when it can."""
    if name in ("", ".", ".."):
        return f"expected a name, got {name!r}"
    if not _LEGAL.fullmatch(name):
        return f"expected letters, digits, '.', '_' and '-' of ASCII, got {name!r}"
    if len(name) > LENGTH_MAX:
        return f"expected at most {LENGTH_MAX} characters, got {len(name)}"
    return None


class Topics:
    """Every name that a namespace uses in Kafka; raises ``ConfigError`` for a namespace that Kafka would refuse."""

    def __init__(self, namespace: str) -> None:
        longest = f"{namespace}.definitions"
        fault = fault_of_topic(namespace) or fault_of_topic(longest)
        if fault is not None:
            raise ConfigError(f"{fault}, in the namespace {namespace!r}: choose another SAGA_NAMESPACE")
        self.namespace = namespace
        self.requests = f"{namespace}.requests"
        self.replies = f"{namespace}.replies"
        self.journal = f"{namespace}.journal"
        self.outcomes = f"{namespace}.outcomes"
        self.definitions = longest
        self.schemas = f"{namespace}.schemas"
        self.quarantine = f"{namespace}.quarantine"
        self.group = f"{namespace}-orchestrators"
        """The consumer group that says which process should own which shard."""
        self.clients_group = f"{namespace}-clients"
        """Nobody is a member: a name that clients read outcomes under, for the cluster's access rights."""
        self.relay_id_prefix = f"{namespace}-relay-"

    def relay_id(self, shard: int) -> str:
        """The transactional id of the shard's relay: the same for every owner, so that each fences the one before."""
        return f"{self.relay_id_prefix}{shard}"

    @staticmethod
    def commands(participant: str) -> str:
        """The participant's own topic, not prefixed: it may serve several namespaces.

        Raises ``ValueError`` when Kafka would refuse the name.
        """
        name = f"{participant}.commands"
        fault = fault_of_topic(name)
        if fault is not None or not participant:
            raise ValueError(f"{fault or 'expected a name'}, in the participant {participant!r}: choose another name")
        return name
