"""Which servers a command uses; says so once when nobody named them."""

import sys

from orchestrator import settings
from orchestrator.settings import Settings


def load() -> Settings:
    """The settings of this command. Raises ``ConfigError``."""
    loaded = settings.load()
    if loaded.local:
        note(f"using {loaded.source}: Kafka at {loaded.kafka}")
    return loaded


def note(text: str) -> None:
    """Something for a person, beside the output."""
    print(f"saga: {text}", file=sys.stderr)
