"""`saga verify`: compares the database with the journals, or proves the journals alone."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.cli import servers
from orchestrator.cli.options import positive
from orchestrator.cli.output import print_json
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator.operations.textfile import Textfile
from orchestrator.recovery.loading import Step
from orchestrator.recovery.recovery import Namespace
from orchestrator.recovery.service import check_journal, opened
from orchestrator.recovery.verify import DIGITS, Compared, Proven, Verified, prove, verify, verify_definitions
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.blueprint.model import Json
    from orchestrator.cli.main import Subparsers
    from orchestrator.settings import Settings

RATE: Final = 20_000
"""Events a second, unless told: leaves most of a processor to others."""
DEFINITIONS_LOOKS: Final = 3
"""How often the definitions are compared until they are equal."""
DEFINITIONS_PAUSE_S: Final = 5.0


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga verify` and its arguments."""
    parser = subparsers.add_parser(
        "verify",
        description="Compare SAGA_DATABASE with the journals of SAGA_NAMESPACE, row by row, beside running "
        "orchestrators. Prints a hash for each table and shard, and the first difference with both sides. Exit status "
        "1 when there is one.",
    )
    parser.add_argument("--chain", action="store_true", help="prove the journals from Kafka alone; needs no database")
    parser.add_argument("--rate", type=positive, metavar="N", default=RATE, help=f"events a second, at most ({RATE})")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="write figures for Prometheus' textfile collector")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Verify, and say what was found."""
    if arguments.chain and arguments.metrics is not None:
        raise ConfigError("expected --metrics of a comparison with the tables, got --chain, which has its exit status")
    loaded = servers.load_with_kafka()
    if arguments.chain:
        with closing(KafkaBroker.of(loaded)) as broker:
            topics = Topics(loaded.namespace)
            check_journal(broker, topics, loaded.shards)
            _print_proven([prove(broker, topics, shard) for shard in range(loaded.shards)], as_json=arguments.json)
        return ExitCode.OK
    return _verify(loaded, _paced(arguments.rate), arguments.metrics, as_json=arguments.json)


def _verify(loaded: "Settings", tell: Callable[[Step], None], metrics: Path | None, *, as_json: bool) -> int:
    with opened(loaded, migrating=False) as namespace:
        verified: list[Verified] = []
        for shard in range(namespace.shards):
            verified.append(verify(namespace, shard, loaded.cache_sagas, tell))
            if not as_json:
                _print_shard(verified[-1])
        definitions = _definitions(namespace)
    tables = [table for each in verified for table in each.tables] + [definitions]
    differences = [each.difference for each in tables if each.difference is not None]
    if metrics is not None:
        figures = Textfile("verify")
        figures.set("differences", "Tables that are not as the journal says.", len(differences))
        batches = {each.shard: each.seq for each in verified}
        figures.set_by_shard("batch", "The batch as of which the tables were compared.", batches)
        figures.write(metrics)
    if as_json:
        found: Json = {
            "equal": not differences,
            "differences": list(differences),
            "shards": [{"shard": each.shard, "seq": each.seq, "chain": each.chain.hex()} for each in verified],
            "tables": [_json_of(each) for each in tables],
        }
        print_json(found)
    else:
        _print_table(definitions)
        print(f"{len(differences)} differences" if differences else "equal")
    for text in differences:
        print(f"saga: {text}", file=sys.stderr)
    return ExitCode.REFUSED if differences else ExitCode.OK


def _definitions(namespace: Namespace) -> Compared:
    """What was deployed just now takes an orchestrator a moment to write down."""
    for _ in range(DEFINITIONS_LOOKS - 1):
        compared = verify_definitions(namespace)
        if compared.difference is None:
            return compared
        time.sleep(DEFINITIONS_PAUSE_S)
    return verify_definitions(namespace)


def _paced(rate: int) -> Callable[[Step], None]:
    """Waits as long as it takes to stay below ``rate``."""
    began, events = time.monotonic(), 0

    def tell(step: Step) -> None:
        nonlocal events
        events += step.events
        time.sleep(max(0.0, events / rate - (time.monotonic() - began)))

    return tell


def _json_of(compared: Compared) -> "Json":
    return {
        "table": compared.table,
        "rows": compared.rows,
        "journal": compared.journal,
        "database": compared.database,
        "difference": compared.difference,
    }


def _print_shard(verified: Verified) -> None:
    print(f"shard {verified.shard}: batch {verified.seq}, chain {verified.chain.hex()[:DIGITS]}")
    for each in verified.tables:
        _print_table(each)


def _print_table(compared: Compared) -> None:
    same = "equal" if compared.difference is None else f"not {compared.database[:DIGITS]}"
    print(f"  {compared.table}: {compared.rows} rows, {compared.journal[:DIGITS]}, {same}")


def _print_proven(proven: Sequence[Proven], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"shard": each.shard, "seq": each.seq, "chain": each.chain.hex(), "records": each.records}
                for each in proven
            ]
        )
        return
    for each in proven:
        chain = each.chain.hex()[:DIGITS]
        print(f"shard {each.shard}: {each.records} records prove {each.seq} batches, chain {chain}")
