"""`saga recover`: brings the database to the end of the journals, whatever it is."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from orchestrator.cli import servers
from orchestrator.cli.consent import ask
from orchestrator.cli.options import positive
from orchestrator.cli.output import print_json
from orchestrator.crashpoints import kill_at, nowhere
from orchestrator.exit_code import ExitCode
from orchestrator.operations.textfile import Textfile
from orchestrator.recovery.course import Course, Plan
from orchestrator.recovery.loading import Step
from orchestrator.recovery.recovery import Recovery, survey
from orchestrator.recovery.service import load_all, opened

if TYPE_CHECKING:
    from orchestrator.blueprint.model import Json
    from orchestrator.cli.main import Subparsers

DONE: Final = {
    Course.KEEP: "had all of its journal",
    Course.FORWARD: "rolled forward",
    Course.REBUILD: "rebuilt",
}


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga recover` and its arguments."""
    parser = subparsers.add_parser(
        "recover",
        description="Bring SAGA_DATABASE to the end of the journals of SAGA_NAMESPACE: one that is new and empty, was "
        "restored from a backup, fell behind, or has another history. Orchestrators may run; they wait until it is "
        "done. Stopped at any point, it goes on where the rows are when it is called again.",
    )
    parser.add_argument("--wipe", action="store_true", help="delete all rows first, and rebuild every shard")
    parser.add_argument("--yes", action="store_true", help="do not ask before rows are deleted")
    parser.add_argument("--processes", type=positive, metavar="N", help="that load at a time (one for a processor)")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="write figures for Prometheus' textfile collector")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Recover, and say what was done."""
    loaded = servers.load_with_kafka()
    crash_point = nowhere if loaded.crash_at is None else kill_at(*loaded.crash_at)
    with opened(loaded, crash_point) as namespace:
        dropped = [each for each in survey(namespace, wipe=arguments.wipe) if each.drops]
        if dropped and not arguments.yes:
            _ask(dropped, loaded.namespace)
        began = time.monotonic()
        with _Tally() as tally:

            def load(plans: Sequence[Plan]) -> None:
                tally.begin(plans)
                load_all(loaded, plans, tally.add, arguments.processes, crash_point)

            drop = arguments.yes or bool(dropped)
            done = Recovery(namespace, load, wipe=arguments.wipe, drop=drop).run()
    took_s = time.monotonic() - began
    if arguments.metrics is not None:
        _write(done, tally.events, took_s, arguments.metrics)
    _print(done, tally.events, took_s, as_json=arguments.json)
    return ExitCode.OK


def _ask(dropped: Sequence[Plan], namespace: str) -> None:
    """Raises ``ConfigError`` unless a person says yes."""
    rows = ", ".join(f"{each.shard} ({each.row.seq} batches)" for each in dropped)
    told = f"the rows of these shards of {namespace} will be deleted, and made again from the journal: {rows}"
    ask(told, "delete them?", "saga recover --yes")


@dataclass
class _Tally:
    """Counts what was loaded, and shows it as a bar on a terminal."""

    events: int = 0
    _began: float = 0.0
    _bar: Progress = field(
        default_factory=lambda: Progress(
            TextColumn("recovering"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[pace]} events/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
    )
    _task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=self._bar.tasks[-1].total)
        self._bar.stop()

    def begin(self, plans: Sequence[Plan]) -> None:
        """Once more from here, when somebody wrote meanwhile."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("", total=sum(each.records for each in plans), pace="0")
        self._began = self._began or time.monotonic()

    def add(self, step: Step) -> None:
        """Something was loaded."""
        assert self._task is not None
        self.events += step.events
        pace = self.events / max(0.001, time.monotonic() - self._began)
        self._bar.update(self._task, advance=step.records, pace=f"{pace:,.0f}")


def _write(done: Sequence[Plan], events: int, took_s: float, file: Path) -> None:
    figures = Textfile("recovery")
    figures.set("duration_seconds", "From the first fence until the database was ready.", took_s)
    figures.set("events", "Events that were loaded.", events)
    points = {each.shard: max(each.footer.seq, each.row.seq if each.course is Course.KEEP else 0) for each in done}
    figures.set_by_shard("point_batch", "The last batch that was brought back: all that anybody had seen.", points)
    figures.write(file)


def _print(done: Sequence[Plan], events: int, took_s: float, *, as_json: bool) -> None:
    pace = events / max(0.001, took_s)
    if as_json:
        found: dict[str, Json] = {
            "events": events,
            "took_ms": round(took_s * 1_000),
            "shards": [
                {"shard": each.shard, "done": each.course.value, "from": each.row.seq, "to": each.footer.seq}
                for each in done
            ],
        }
        print_json(found)
        return
    for each in done:
        moved = f" from batch {each.row.seq}" if each.course is Course.FORWARD else ""
        print(f"shard {each.shard}: {DONE[each.course]}{moved}, up to batch {each.footer.seq}")
    print(f"{events} events in {took_s:.1f} s, {pace:,.0f} a second; the database is ready")
