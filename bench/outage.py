"""Memory and recovery when a server is down for a minute under load: ``python -m bench.outage --json``.

Transfers are started at an even pace; the broker, or Postgres, is killed, and started again later. What the client
could not send it starts again under the same id. The last line is one JSON object; progress goes to stderr.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.load import OUTCOME_S, REFUND_EVERY, transfer
from bench.meters import ProcessMeter
from bench.transfer import say, start_services
from demo.system import Service, System
from examples.money_transfer.saga import Receipt, money_transfer
from orchestrator import Client, Compensated, Handle, OutcomeTimeout, Unavailable

BEFORE_S: Final = 10.0
"""Of load before the server is killed, and after it is back."""
SAMPLE_S: Final = 0.25

Figures = dict[str, object]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--server", choices=["kafka", "postgres"], default="postgres", help="which is down (postgres)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (60)")
    parser.add_argument("--rate", type=float, default=200.0, help="transfers a second (200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line, and nothing else")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="saga-outage-") as directory,
        System(Path(directory)).start() as system,
    ):
        figures = measure(system, arguments.server, arguments.seconds, arguments.rate)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value!s:>12}")


def measure(system: System, server: str, seconds: float, rate: float) -> Figures:
    """Every figure of one outage."""
    bank, orchestrator = start_services(system, "none")
    with Client(system.settings) as client, _memory_of(orchestrator, bank) as memory:
        load = _Load(client, rate)
        load.run(BEFORE_S)
        memory.mark("before")
        say(f"{server} is killed")
        down = system.stack.kafka_broker if server == "kafka" else system.stack.postgres
        down.kill()
        load.run(seconds)
        memory.mark("down")
        down.restart()
        back = time.monotonic()
        say(f"{server} is back")
        load.run(BEFORE_S)
        say(f"{len(load.handles)} transfers were started")
        compensated = load.finish()
        memory.mark("after")
        for service in (bank, orchestrator):
            service.require_running()
        caught_up_s = round(time.monotonic() - back, 1)
    if compensated != len(load.handles) // REFUND_EVERY:
        raise SystemExit(f"expected {len(load.handles) // REFUND_EVERY} refunds, got {compensated}")
    return {
        "server": server,
        "down_s": seconds,
        "sagas": len(load.handles),
        "started_again": load.again,
        "caught_up_s": caught_up_s,
        **memory.figures,
    }


class _Load:
    """Transfers at an even pace; each has an id, so that starting it again is the same one."""

    def __init__(self, client: Client, rate: float) -> None:
        self._client = client
        self._rate = rate
        self.handles: list[Handle[Receipt]] = []
        self.again = 0
        """How often a start was not sent, and repeated."""

    def run(self, seconds: float) -> None:
        """Start transfers for so long; fewer where the client has no room for more."""
        began, first = time.monotonic(), len(self.handles)
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * self._rate) + first
            if len(self.handles) >= due:
                time.sleep(1 / self._rate)
                continue
            self._start(len(self.handles) + 1)

    def _start(self, number: int) -> None:
        try:
            self.handles.append(self._client.submit(money_transfer, transfer(number), id=f"transfer-{number}"))
        except Unavailable:
            self.again += 1

    def finish(self) -> int:
        """Wait until each has ended; returns how many were refunded. Raises ``SystemExit`` when one does not end."""
        waiting, compensated = dict(enumerate(self.handles, 1)), 0
        while waiting:
            lost: dict[int, Handle[Receipt]] = {}
            for number, handle in waiting.items():
                try:
                    handle.outcome(OUTCOME_S)
                except Compensated:
                    compensated += 1
                except Unavailable:
                    lost[number] = self._client.submit(money_transfer, transfer(number), id=handle.id)
                except OutcomeTimeout as error:
                    raise SystemExit(str(error)) from error
            waiting = lost
            self.again += len(lost)
        return compensated


class _Memory:
    """Resident memory of the services, in MB: the highest of each phase."""

    def __init__(self, orchestrator: Service, bank: Service) -> None:
        self._meter = ProcessMeter({"orchestrator": orchestrator.pid, "participant": bank.pid})
        self._highest = {"orchestrator": 0.0, "participant": 0.0}
        self.figures: Figures = {}
        self.over = threading.Event()

    def watch(self) -> None:
        """Look now and then, until it is over."""
        while not self.over.wait(SAMPLE_S):
            for name, highest in self._highest.items():
                self._highest[name] = max(highest, self._meter.memory_mb(name))

    def mark(self, phase: str) -> None:
        """A phase has ended."""
        for name, highest in self._highest.items():
            self.figures[f"{name}_mb_{phase}"] = highest
            self._highest[name] = self._meter.memory_mb(name)
        say(f"{phase}: {self.figures}")


@contextmanager
def _memory_of(orchestrator: Service, bank: Service) -> Generator[_Memory]:
    memory = _Memory(orchestrator, bank)
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.over.set()
        thread.join()


if __name__ == "__main__":
    main()
