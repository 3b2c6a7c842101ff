"""A lone Kafka broker that can be reached by two ways, of which one leads through a proxy."""

from dataclasses import dataclass, field
from typing import Final

from orchestrator.local.ports import HOST, free_port

ALMOST_ALWAYS_LED: Final = {
    # A lone broker has nobody to give its partitions to.
    "controlled.shutdown.enable": "false",
    # Killed and started again, it is fenced when its former session ends: mostly before it serves, then.
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "250",
}
"""For a broker that is restarted: hardly ever a partition is without a leader while a transaction ends. Kafka takes
such a one for deleted, and may lose the marker (KAFKA-20734, docs/reliability.md)."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """The broker's ports; whoever begins at ``proxied`` stays there, because the broker advertises it."""

    open: int = field(default_factory=free_port)
    controller: int = field(default_factory=free_port)
    hidden: int = field(default_factory=free_port)
    """Where the broker listens for what comes through the proxy."""
    proxied: int = field(default_factory=free_port)
    """Where it says that it does: the proxy's own port."""

    @property
    def settings(self) -> dict[str, str]:
        """The broker's."""
        return {
            "listeners": f"PLAINTEXT://{HOST}:{self.open},CONTROLLER://{HOST}:{self.controller},"
            f"PROXIED://{HOST}:{self.hidden}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.open},PROXIED://{HOST}:{self.proxied}",
            "controller.quorum.voters": f"1@{HOST}:{self.controller}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
        }
