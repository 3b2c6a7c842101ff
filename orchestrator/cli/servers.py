"""Which servers a command uses; says so once when nobody named them."""

import sys
from contextlib import closing
from typing import Final

from orchestrator import settings
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.settings import Settings

REACH_S: Final = 5.0
"""How long Kafka may take to answer: whoever waits is told within 10 s."""


def load() -> Settings:
    """The settings of this command. Raises ``ConfigError``."""
    loaded = settings.load()
    if loaded.local:
        note(f"using {loaded.source}: Kafka at {loaded.kafka}")
    return loaded


def load_with_kafka() -> Settings:
    """``load``, for a command that speaks with Kafka. Raises ``Unavailable`` soon when it does not answer."""
    loaded = load()
    with closing(KafkaBroker.of(loaded)) as broker:
        broker.check_reachable(REACH_S)
    return loaded


def note(text: str) -> None:
    """Something for a person, beside the output."""
    print(f"saga: {text}", file=sys.stderr)
