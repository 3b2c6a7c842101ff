"""The store in memory: a verified fake that passes the contract suite of the real one.

For tests of the core, the simulator, and users' own tests. Failures are planted, never random.
"""

from orchestrator.store.memory.store import Failure, MemoryStore
from orchestrator.store.memory.tables import Contents

__all__ = ["Contents", "Failure", "MemoryStore"]
