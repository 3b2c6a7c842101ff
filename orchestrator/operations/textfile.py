"""Figures of a command that ends, for Prometheus' node exporter: a file in its textfile directory.

https://github.com/prometheus/node_exporter#textfile-collector: written whole and put in place at once.
"""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from orchestrator import clock
from orchestrator.errors import ConfigError


class Textfile:
    """Gauges that are set, and then written with the time of it, ``saga_{command}_completed_timestamp_seconds``."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._registry = CollectorRegistry()

    def set(self, name: str, meaning: str, value: float) -> None:
        """A figure of the namespace: ``saga_{command}_{name}``."""
        Gauge(f"saga_{self._command}_{name}", meaning, registry=self._registry).set(value)

    def set_by_shard(self, name: str, meaning: str, values: Mapping[int, float]) -> None:
        """A figure of each shard."""
        gauge = Gauge(f"saga_{self._command}_{name}", meaning, ["shard"], registry=self._registry)
        for shard, value in values.items():
            gauge.labels(str(shard)).set(value)

    def write(self, file: Path) -> None:
        """Raises ``ConfigError`` for a file that cannot be written."""
        self.set("completed_timestamp_seconds", "When the command ended.", clock.now_ms() / 1_000)
        try:
            write_to_textfile(str(file), self._registry)
        except OSError as error:
            raise ConfigError(f"expected a file that can be written, got {file}: {error.strerror or error}") from error
