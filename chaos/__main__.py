"""`python -m chaos`: transfers while everything is killed, paused, cut off and restarted; then nothing may be missing.

Ends with a line for scripts and status 0, or 1 if any of it is false. Starts everything itself and ends it again.
"""

import argparse
import platform
import secrets
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import confluent_kafka
import psycopg

from chaos.city import SHARDS, city_in
from chaos.load import WINDOW, Load
from chaos.plan import draw
from chaos.storm import Storm, Tally
from chaos.verdict import Verdict, judge, watcher_of
from demo import accounts
from demo.program import exit_status
from demo.show import Show
from demo.system import READY_S
from orchestrator.client.client import Client
from orchestrator.local.jars import kafka_version

SAGAS_MAX: Final = 100_000
"""Up to here the plan leaves every account above zero."""
STALLED_S: Final = 180.0
"""Without a single outcome for so long, what has not ended counts as lost."""
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Result:
    """What was done, and what was found."""

    sagas: int
    unsent: int
    """Starts that Kafka did not take in time, as the client said: they are none of the above."""
    seconds: float
    tally: Tally
    verdict: Verdict
    postgres: str
    """Its version."""

    @property
    def kept(self) -> bool:
        """Whether everything is as it was promised."""
        return self.verdict.kept and not self.tally.inexcusable

    @property
    def line(self) -> str:
        """The same for scripts."""
        verdict = self.verdict
        return (
            f"chaos: sagas={self.sagas} kills={self.tally.kills} lost={len(verdict.lost)} "
            f"doubled={len(verdict.doubled)} reordered={len(verdict.reordered)} "
            f"money_conserved={_yes(verdict.money)} rebuilt_equal={_yes(verdict.rebuilt)}"
        )


def _yes(faults: list[str] | None) -> str:
    return "unknown" if faults is None else "no" if faults else "yes"


def main() -> int:
    """Run it; gives the exit status."""
    arguments = _arguments()
    show = Show("chaos")

    def run(directory: Path) -> bool:
        result = _run(show, directory, arguments)
        _report(show, result, arguments.seed)
        return result.kept

    return exit_status(show, run, f"; its seed is {arguments.seed}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--sagas", type=int, default=2_000, help="how many transfers (2,000)")
    parser.add_argument("--kills", type=int, default=20, help="how many SIGKILLs, and as many other faults (20)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which nothing new is begun (never)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the faults (any)")
    parser.add_argument("--window", type=int, default=WINDOW, help=f"transfers in flight, at most ({WINDOW})")
    arguments = parser.parse_args()
    if not 1 <= arguments.sagas <= SAGAS_MAX or arguments.kills < 0 or arguments.minutes <= 0 or arguments.window < 1:
        parser.error(f"expected 1 to {SAGAS_MAX} --sagas, --kills from 0, --minutes above 0, --window from 1")
    return arguments


def _run(show: Show, directory: Path, arguments: argparse.Namespace) -> Result:
    began = time.monotonic()
    orders = {f"transfer-{number:06}": order for number, order in enumerate(accounts.plan(arguments.sagas), 1)}
    with ExitStack() as stack:
        with show.step("a real Kafka, a real Postgres, and a proxy before each"):
            city = stack.enter_context(city_in(directory))
        before = accounts.balances(city.bank_database)
        watcher = stack.enter_context(watcher_of(city))
        with show.step("a participant and two orchestrators"):
            for process in (city.participant, *city.orchestrators[:-1]):
                process.start()
            watcher.wait_for(city.system.topics.journal, SHARDS, READY_S)
        storm = Storm(
            city,
            draw(arguments.seed, arguments.kills),
            lambda text: show.event(f"{time.monotonic() - began:6.1f} s  {text}"),
        )
        with Client(city.system.settings) as client:
            load = Load(client, orders, arguments.window)
            _drive(show, storm, load, arguments)
            with show.step("everything is mended, and the last transfers end"):
                storm.calm()
                _settle(storm, load)
        started = {name: orders[name] for name in islice(orders, load.started) if name not in load.unsent}
        with show.step("all is stopped politely, read once more, and the database built anew from the journals"):
            verdict = judge(city, watcher, started, before)
        with psycopg.connect(city.bank_database) as connection:
            postgres = connection.info.parameter_status("server_version") or "unknown"
    return Result(len(started), len(load.unsent), time.monotonic() - began, storm.tally, verdict, postgres)


def _drive(show: Show, storm: Storm, load: Load, arguments: argparse.Namespace) -> None:
    """Until every transfer has ended and every fault was made; or the time is over, or nothing ends any more."""
    total, until_s = arguments.sagas, time.monotonic() + 60 * arguments.minutes
    with show.transfers(total) as bar:
        while load.done < total and time.monotonic() < until_s and load.idle_s < STALLED_S:
            storm.step(load.done, total)
            load.fill(storm.allowed(total) + arguments.window)
            load.wait(LOOK_S)
            bar.tell(load.done, load.in_flight)


def _settle(storm: Storm, load: Load) -> None:
    mended_s = time.monotonic()
    while load.in_flight and min(load.idle_s, time.monotonic() - mended_s) < STALLED_S:
        storm.step(load.done, load.started)
        load.fill(load.started)
        load.wait(LOOK_S)


def _report(show: Show, result: Result, seed: int) -> None:
    tally, verdict = result.tally, result.verdict
    rows = [
        (f"{target.value} {deed.value}", f"{count}") for (target, deed), count in sorted(tally.faults.items(), key=str)
    ]
    rows += [("  killed at " + point, f"{count}") for point, count in sorted(tally.reached.items())]
    rows += [("  not reached, killed elsewhere: " + point, f"{count}") for point, count in sorted(tally.missed.items())]
    rows += [(f"{name} ended because a server was away", f"{count}") for name, count in sorted(tally.ended.items())]
    found = verdict.audit
    rows += [
        ("starts that Kafka did not take in time", f"{result.unsent:,}"),
        ("take-overs", f"{len(found.journal.owners):,}"),
        ("commands", f"{found.commands:,}"),
        ("replies", f"{found.replies:,}"),
        ("events", f"{found.journal.events:,}"),
        ("incidents", f"{found.journal.incidents:,}"),
        ("Kafka, librdkafka", f"{kafka_version()}, {confluent_kafka.libversion()[0]}"),
        ("Postgres, Python", f"{result.postgres}, {platform.python_version()}"),
        ("seed", f"{seed}"),
        ("seconds", f"{result.seconds:,.0f}"),
    ]
    show.table(rows)
    show.check("nothing is lost", verdict.lost)
    show.check("nothing was done twice", verdict.doubled)
    show.check("the order was kept, for every saga and every shard", verdict.reordered)
    show.check("every transfer ended as it must", verdict.ends)
    show.check("no process ended by itself, but for want of a server", tally.inexcusable)
    if verdict.money is not None:
        show.check("not a cent is missing, in no account", verdict.money)
    if verdict.rebuilt is not None:
        show.check("the journals say what the database says", verdict.rebuilt)
    for shard, text in verdict.unsettled.items():
        show.line(f"JournalUnsettled: shard {shard} stands still, a defect of Kafka (docs/reliability.md): {text}")
    show.last_line(result.line)


if __name__ == "__main__":
    sys.exit(main())
