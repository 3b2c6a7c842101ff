"""The tables: how they come to be, and that both ways lead to the same."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from orchestrator.cli import migrate as command
from orchestrator.errors import ConfigError, Unavailable
from orchestrator.store import migrate as module
from orchestrator.store.migrate import LOCK_KEY, Migrated, has_tables, migrate, migrations, schema
from orchestrator.store.port import FORMAT, GENESIS, Meta
from orchestrator.store.postgres import PostgresStore

CATALOG = {
    "columns": """
        select c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage,
            a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid)
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where c.relnamespace = 'saga'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
        order by 1, 2""",
    "constraints": """
        select conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'saga'::regnamespace order by 1, 2""",
    "indexes": "select tablename, indexname, indexdef from pg_indexes where schemaname = 'saga' order by 1, 2",
    "relations": """
        select relname, relkind, reloptions, relpersistence from pg_class where relnamespace = 'saga'::regnamespace
        order by 1""",
    "views": "select viewname, definition from pg_views where schemaname = 'saga' order by 1",
    "functions": """
        select proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'saga'::regnamespace order by 1""",
}


def catalog(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {name: connection.execute(query.encode()).fetchall() for name, query in CATALOG.items()}


def test_migrations_lead_to_the_schema(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("create schema saga")
        connection.execute(schema())
        new = catalog(connection)
        connection.rollback()
        connection.execute("create schema saga")
        for migration in migrations():
            connection.execute(migration)
        migrated = catalog(connection)
    assert len(new["columns"]) > 40
    assert migrated == new


def test_comparison_of_catalogs_sees_what_differs(database: str) -> None:
    changes = [
        "alter table saga.sagas alter due_ms set not null",
        "alter table saga.incidents alter closed_ms type integer",
        "alter table saga.sagas alter due_ms set default 0",
        "alter table saga.outbox alter records set storage extended",
        "alter table saga.events drop constraint events_number_from_one",
        "drop index saga.sagas_due",
        "create view saga.v as select 1 as one",
        "drop view saga.stored_sagas; create view saga.stored_sagas as select * from saga.sagas",
    ]
    for change in changes:
        with psycopg.connect(database) as connection:
            connection.execute("create schema saga")
            connection.execute(schema())
            before = catalog(connection)
            connection.execute(change.encode())
            assert catalog(connection) != before, change
            connection.rollback()


def test_new_database_gets_the_tables_once(database: str, watch: psycopg.Connection) -> None:
    assert not has_tables(database)
    assert migrate(database, "bank", 4) == Migrated(None, FORMAT)
    assert has_tables(database)
    assert PostgresStore(database).meta() == Meta("bank", 4, "ready", FORMAT)
    rows = "select shard, seq, chain, owner, next_requests, next_replies, now_ms from saga.shards order by shard"
    assert watch.execute(rows).fetchall() == [(shard, 0, GENESIS, "", 0, 0, 0) for shard in range(4)]
    watch.execute("update saga.shards set next_requests = 7")
    assert migrate(database, "bank", 4) == Migrated(FORMAT, FORMAT)
    assert watch.execute("select distinct next_requests from saga.shards").fetchall() == [(7,)]


def test_many_may_migrate_at_once(database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(migrate, [database] * 6, ["bank"] * 6, [2] * 6))
    assert sorted(done, key=str) == [*[Migrated(FORMAT, FORMAT)] * 5, Migrated(None, FORMAT)]


def test_migration_waits_for_another_and_not_for_ever(
    database: str, watch: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIGRATION_SESSION", {"lock_timeout": "50", "statement_timeout": "0"})
    watch.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
    with pytest.raises(Unavailable, match="lock timeout"):
        migrate(database, "bank", 2)
    watch.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
    assert migrate(database, "bank", 2).before is None


def test_database_of_another_namespace_or_number_of_shards_is_refused(dsn: str) -> None:
    with pytest.raises(ConfigError, match=r"expected the database of namespace 'shop'.*got that of 'bank'"):
        migrate(dsn, "shop", 4)
    with pytest.raises(ConfigError, match=r"expected 8 shards.*made for 4"):
        migrate(dsn, "bank", 8)


def test_newer_tables_are_refused(dsn: str, watch: psycopg.Connection) -> None:
    watch.execute("update saga.meta set format = %s", [FORMAT + 1])
    with pytest.raises(ConfigError, match="run that version"):
        migrate(dsn, "bank", 4)


def come_to(monkeypatch: pytest.MonkeyPatch, later: list[bytes]) -> None:
    """A version with these migrations more."""
    monkeypatch.setattr(module, "migrations", lambda: [b"this was done"] * FORMAT + later)
    monkeypatch.setattr(module, "FORMAT", FORMAT + len(later))
    monkeypatch.setattr("orchestrator.store.meta.FORMAT", FORMAT + len(later))


def test_older_tables_are_upgraded_by_what_they_lack(
    dsn: str, watch: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [b"alter table saga.meta add colour text", b"alter table saga.meta add taste text"]
    come_to(monkeypatch, later)
    assert migrate(dsn, "bank", 4) == Migrated(FORMAT, FORMAT + 2)
    assert migrate(dsn, "bank", 4) == Migrated(FORMAT + 2, FORMAT + 2)
    assert watch.execute("select format, colour, taste from saga.meta").fetchall() == [(FORMAT + 2, None, None)]


def test_failed_upgrade_changes_nothing(dsn: str, watch: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    come_to(monkeypatch, [b"alter table saga.meta add colour text", b"select 1 / 0"])
    with pytest.raises(Exception, match="division by zero"):
        migrate(dsn, "bank", 4)
    columns = "select attname from pg_attribute where attrelid = 'saga.meta'::regclass and attname = 'colour'"
    assert watch.execute(columns).fetchall() == []
    assert watch.execute("select format from saga.meta").fetchall() == [(FORMAT,)]


def test_foreign_table_in_the_schema_is_refused(database: str, watch: psycopg.Connection) -> None:
    watch.execute("create schema saga")
    watch.execute("create table saga.events (theirs text)")
    with pytest.raises(ConfigError, match="something else has made this table"):
        migrate(database, "bank", 4)
    assert watch.execute("select to_regclass('saga.meta')").fetchone() == (None,)


def test_emptied_meta_is_refused(dsn: str, watch: psycopg.Connection) -> None:
    watch.execute("delete from saga.meta")
    with pytest.raises(ConfigError, match=r"expected one row in saga\.meta"):
        migrate(dsn, "bank", 4)
    with pytest.raises(ConfigError, match=r"expected one row in saga\.meta"):
        PostgresStore(dsn).meta()


def test_schema_made_by_an_administrator_is_used(database: str, watch: psycopg.Connection) -> None:
    watch.execute("create schema saga")
    assert migrate(database, "bank", 1).before is None


def test_database_in_another_encoding_is_refused(database: str, watch: psycopg.Connection) -> None:
    name = urlsplit(database).path[1:] + "_ascii"
    create = "create database {} encoding 'SQL_ASCII' locale 'C' locale_provider 'libc' template template0"
    watch.execute(sql.SQL(create).format(sql.Identifier(name)))
    try:
        with pytest.raises(ConfigError, match="encoding UTF8"):
            migrate(urlsplit(database)._replace(path=f"/{name}").geturl(), "bank", 1)
    finally:
        watch.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def test_command_says_what_it_did(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    settings = {"SAGA_KAFKA": "unused:9092", "SAGA_DATABASE": database, "SAGA_NAMESPACE": "shop", "SAGA_SHARDS": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert command.run(parser.parse_args(["migrate"])) == 0
    assert command.run(parser.parse_args(["migrate"])) == 0
    assert command.run(parser.parse_args(["migrate", "--json"])) == 0
    assert capsys.readouterr().out == (
        f"namespace shop, 2 shards: made the tables (format {FORMAT})\n"
        f"namespace shop, 2 shards: the tables are up to date (format {FORMAT})\n"
        f'{{"namespace": "shop", "shards": 2, "before": {FORMAT}, "after": {FORMAT}}}\n'
    )
    monkeypatch.setenv("SAGA_SHARDS", "3")
    with pytest.raises(ConfigError, match="SAGA_SHARDS=2"):
        command.run(parser.parse_args(["migrate"]))
