"""What a recovery must bring back: the rows of a namespace's database, in an order that is the same everywhere."""

from hashlib import sha256
from typing import Final

import psycopg

TABLES: Final = {
    "events": "select * from saga.events order by shard, saga_id, number",
    "sagas": "select * from saga.sagas order by shard, saga_id",
    "incidents": "select * from saga.incidents order by shard, saga_id, number",
    "definitions": "select * from saga.definitions order by name, hash",
    "offsets": "select shard, next_requests, next_replies from saga.shards order by shard",
}
"""Outbox and chain are not among them: a recovery appends a batch of its own."""
FETCHED: Final = 2_000
"""Rows at once."""


def digests(database: str) -> dict[str, str]:
    """By table, how many rows there are and the sha256 of all of them."""
    return {table: _digest(database, query) for table, query in TABLES.items()}


def _digest(database: str, query: str) -> str:
    digest, count = sha256(), 0
    with psycopg.connect(database) as connection, connection.cursor(name="rows") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(query.encode())
        for row in cursor:
            digest.update(f"{row!r}\n".encode())
            count += 1
    return f"{count} rows, {digest.hexdigest()}"
