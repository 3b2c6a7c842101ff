"""A process that takes over shard 1, and stops in the middle with the row's lock: `python zombie.py DSN`."""

import sys

from orchestrator.errors import Unavailable
from orchestrator.store.port import Batch, ShardRow
from orchestrator.store.postgres import PostgresStore
from tests.contract.store.batches import batch_after


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _hold(row: ShardRow) -> Batch:
    _say("holding")
    sys.stdin.readline()
    return batch_after(row, "zombie")


def main() -> None:
    try:
        PostgresStore(sys.argv[1]).shard(1).take_over(_hold)
    except Unavailable:
        _say("unavailable")
    else:
        _say("took over")


if __name__ == "__main__":
    main()
