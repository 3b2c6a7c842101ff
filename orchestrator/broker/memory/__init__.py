"""A verified fake of Kafka in memory: it passes the same contract suite as the real broker.

``MemoryCluster`` is the cluster, shared by every process of a test; ``MemoryBroker`` is what one process has of it.
Deterministic: time comes from the cluster's clock, and nothing happens but by a call. For the core's tests, the
simulator and users' own tests; never for production: a cluster ends with its process.
"""

from orchestrator.broker.memory.broker import MemoryBroker
from orchestrator.broker.memory.cluster import MemoryCluster
from orchestrator.broker.memory.coordinator import CommitFault

__all__ = ["CommitFault", "MemoryBroker", "MemoryCluster"]
