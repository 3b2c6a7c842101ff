"""A process of ``saga run``, as its log shows it."""

import json
import os
import signal

from demo.system import Service


class Orchestrator:
    """See the module."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._forget = 0
        self._ended = False

    def log(self) -> list[dict[str, object]]:
        """Its lines, but for those that a test has forgotten."""
        lines = [line for line in self.service.log.read_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines if line.endswith("}")][self._forget :]

    def forget(self) -> None:
        """Look only at what it says from now on."""
        self._forget += len(self.log())

    def signal(self, number: signal.Signals) -> None:
        """Stop it where it is, or let it go on."""
        os.kill(self.service.pid, number)

    def kill(self) -> None:
        """End it at once; safe to call twice."""
        if not self._ended:
            self._ended = True
            self.service.kill()

    def stop(self) -> None:
        """End it politely."""
        self._ended = True
        self.service.stop()

    def owned(self) -> frozenset[int]:
        """The shards that it owns."""
        found: set[int] = set()
        for line in self.log():
            if line["event"] == "shard owned":
                found.add(int(str(line["shard"])))
            elif line["event"] in ("shard not owned", "shard revoked"):
                found.discard(int(str(line["shard"])))
        return frozenset(found)

    def reasons(self) -> set[object]:
        """Why it did not own a shard, if it said so."""
        return {line["reason"] for line in self.log() if line["event"] == "shard not owned"}
