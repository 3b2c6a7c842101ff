"""How fast a lost database is rebuilt: ``python -m bench.recovery --events 1000000 --json``.

A journal of real transfers is made first; then ``saga recover`` fills an empty database from it. The last line is one
JSON object; progress goes to stderr.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from bench.load import as_many_as_go
from bench.meters import ProcessMeter
from bench.transfer import say, start_services
from demo.system import SAGA, System, SystemOptions
from orchestrator import Client

WINDOW = 4_000
EVENTS_A_SAGA = 6
"""Of a transfer that is not refunded; with refunds there are a few more."""

Figures = dict[str, object]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--events", type=int, default=120_000, help="in the journal, at least (120,000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that load (one a processor)")
    parser.add_argument("--shards", type=int, default=4, help="(4)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line, and nothing else")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saga-recovery-") as directory:
        figures = measure(Path(directory), arguments)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value!s:>12}")


def measure(directory: Path, arguments: argparse.Namespace) -> Figures:
    """Every figure of one recovery."""
    with System(directory, SystemOptions(shards=arguments.shards)).start() as system:
        bank, orchestrator = start_services(system, "none")
        with Client(system.settings) as client:
            sagas = -(-arguments.events // EVENTS_A_SAGA)
            say(f"{sagas} transfers")
            as_many_as_go(client, sagas, WINDOW, lambda _: None)
        orchestrator.stop()
        bank.stop()
        lost = _count(system.stack.database)
        empty = system.stack.create_database("empty")
        say(f"{lost} events; recovering")
        assert system.stack.postgres.pid is not None
        postgres = ProcessMeter({"postgres": system.stack.postgres.pid})
        postgres_s, children = postgres.cpu_s()["postgres"], resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        said = subprocess.run(
            [*SAGA, "recover", "--json", "--processes", str(arguments.processes)],
            env={**os.environ, **system.environment, "SAGA_DATABASE": empty},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        postgres_s = postgres.cpu_s()["postgres"] - postgres_s
        if (found := _count(empty)) != lost:
            raise SystemExit(f"expected {lost} events in the recovered database, got {found}")
    loading_s = json.loads(said)["took_ms"] / 1_000
    cpu_s = used.ru_utime + used.ru_stime - children.ru_utime - children.ru_stime
    return {
        "events": lost,
        "sagas": sagas,
        "processes": arguments.processes,
        "seconds": round(seconds, 2),
        "seconds_of_recovering": loading_s,
        "events_per_second": round(lost / loading_s),
        "events_per_second_and_process": round(lost / loading_s / arguments.processes),
        "events_per_cpu_second_of_loading": round(lost / cpu_s),
        "events_per_cpu_second_with_postgres": round(lost / (cpu_s + postgres_s)),
        "memory_mb_of_the_largest_process": round(used.ru_maxrss / 1024, 1),
    }


def _count(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("select count(*) from saga.events").fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
