"""The SQL as it stands in the files."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from orchestrator.engine.state import Status
from orchestrator.store import constraints, queries

FOLDER = Path(str(files("orchestrator.store")))
PSYCOPG_CACHES = 4096
"""Longer queries are parsed again each time: `psycopg._queries.MAX_CACHED_STATEMENT_LENGTH`."""


def test_every_query_has_a_purpose_and_a_user() -> None:
    sources = "".join(path.read_text() for path in FOLDER.glob("*.py"))
    loaded = queries.load()
    assert len(loaded) == (FOLDER / "queries.sql").read_text().count("-- name: ")
    assert [name for name in loaded if f'"{name}"' not in sources] == []


def test_hot_queries_are_short_enough_to_be_cached() -> None:
    assert {name: len(query) for name, query in queries.load().items() if len(query) > PSYCOPG_CACHES} == {}


def test_comments_do_not_travel_to_the_server() -> None:
    assert queries.parse("-- name: one\n-- It counts.\nselect 1, -- really\n  2;\n")["one"] == b"select 1, -- really 2"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-- name: a\n-- x\nselect 1;\n-- name: a\n-- y\nselect 2;\n", "got two"),
        ("-- name: a\nselect 1;\n", "what 'a' is for"),
        ("-- name: a\n-- x\n", "a query below 'a'"),
    ],
)
def test_malformed_file_of_queries_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        queries.parse(text)


def test_statuses_are_the_engine_s() -> None:
    found = re.search(r"sagas_status_is_known check \(status in \(([^)]*)\)", (FOLDER / "schema.sql").read_text())
    assert found is not None
    in_schema = set(re.findall(r"'(\w+)'", found.group(1)))
    assert in_schema == {status.value for status in Status} == constraints.STATUSES


def test_nothing_that_is_rebuilt_has_a_default() -> None:
    code = re.sub(r"--.*", "", (FOLDER / "schema.sql").read_text()).lower()
    assert re.findall(r"\bdefault\b|\bserial\b|\bidentity\b|\bsequence\b|now\(|current_|random\(|uuid\(", code) == []


def test_shard_leads_every_primary_key() -> None:
    code = (FOLDER / "schema.sql").read_text()
    keys = dict(re.findall(r"create table saga\.(\w+).*?primary key \((\w+)", code, re.DOTALL))
    del keys["meta"], keys["definitions"]
    assert set(keys) == {"shards", "outbox", "sagas", "events", "incidents"}
    assert set(keys.values()) == {"shard"}
