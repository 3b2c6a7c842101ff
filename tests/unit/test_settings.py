"""Settings come from the environment or from the stack that `saga dev` recorded."""

import json
from pathlib import Path

import pytest

from orchestrator import settings
from orchestrator.errors import ConfigError


def test_environment_alone_is_enough(tmp_path: Path) -> None:
    loaded = settings.load({"SAGA_KAFKA": "a:1", "SAGA_DATABASE": "postgresql://x", "SAGA_SHARDS": "8"}, tmp_path)
    assert (loaded.kafka, loaded.database, loaded.shards, loaded.local) == ("a:1", "postgresql://x", 8, False)


def test_recorded_stack_is_used_without_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".saga").mkdir()
    (tmp_path / ".saga" / "addresses.json").write_text(json.dumps({"kafka": "b:2", "database": "postgresql://y"}))
    loaded = settings.load({}, tmp_path)
    assert (loaded.kafka, loaded.database, loaded.shards, loaded.local) == ("b:2", "postgresql://y", 4, True)


def test_environment_wins_over_the_recorded_stack(tmp_path: Path) -> None:
    (tmp_path / ".saga").mkdir()
    (tmp_path / ".saga" / "addresses.json").write_text(json.dumps({"kafka": "b:2", "database": "postgresql://y"}))
    loaded = settings.load({"SAGA_KAFKA": "a:1"}, tmp_path)
    assert (loaded.kafka, loaded.database, loaded.local) == ("a:1", None, False)
    with pytest.raises(ConfigError, match="SAGA_DATABASE is not set"):
        loaded.need_database()


def test_librdkafka_options_pass_through(tmp_path: Path) -> None:
    loaded = settings.load({"SAGA_KAFKA": "a:1", "SAGA_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512"}, tmp_path)
    assert loaded.kafka_options == {"sasl.mechanism": "SCRAM-SHA-512"}


def test_the_variable_of_an_option_is_one_that_shells_take_and_means_it(tmp_path: Path) -> None:
    variable = settings.variable_of("ssl.certificate.location")
    assert variable == "SAGA_KAFKA__SSL_CERTIFICATE_LOCATION"
    loaded = settings.load({"SAGA_KAFKA": "a:1", variable: "/a.pem"}, tmp_path)
    assert loaded.kafka_options == {"ssl.certificate.location": "/a.pem"}
    assert "SCRAM" not in repr(loaded)


def test_what_a_build_was_told_is_passed_over(tmp_path: Path) -> None:
    assert settings.load({"SAGA_KAFKA": "a:1", "SAGA_COMPILE": "1"}, tmp_path).kafka == "a:1"


def test_a_test_may_name_the_place_where_the_service_kills_itself(tmp_path: Path) -> None:
    loaded = settings.load({"SAGA_KAFKA": "a:1", "SAGA_TEST_CRASH_AT": "append.after_commit:2"}, tmp_path)
    assert loaded.crash_at == ("append.after_commit", 2)


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({}, "expected the Kafka servers in SAGA_KAFKA or a running `saga dev`"),
        ({"SAGA_KAFKA": "a:1", "SAGA_SHARD": "4"}, "sets SAGA_SHARD, which is no setting: did you mean SAGA_SHARDS?"),
        ({"SAGA_KAFKA": "a:1", "SAGA_SHARDS": "none"}, "expected a whole number from 1 to 1024 in SAGA_SHARDS"),
        ({"SAGA_KAFKA": "a:1", "SAGA_SHARDS": "0"}, "got '0'"),
        ({"SAGA_KAFKA": "a:1", "SAGA_GROUP_PROTOCOL": "new"}, "expected classic or consumer in SAGA_GROUP_PROTOCOL"),
        ({"SAGA_KAFKA": "a:1", "SAGA_TEST_CRASH_AT": "commit.after_end"}, "its pass from 1, like commit.after_end:3"),
        ({"SAGA_KAFKA": "a:1", "SAGA_TEST_CRASH_AT": "commit.after_end:0"}, "got 'commit.after_end:0'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, environment: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(environment, tmp_path)
    assert text in str(caught.value)


def test_unreadable_record_is_named(tmp_path: Path) -> None:
    (tmp_path / ".saga").mkdir()
    (tmp_path / ".saga" / "addresses.json").write_text("{")
    with pytest.raises(ConfigError, match=r"addresses\.json"):
        settings.load({}, tmp_path)


def test_secrets_keep_their_names_and_are_not_shown() -> None:
    loaded = settings.load({"SAGA_KAFKA": "a:1", "SAGA_SECRET__BANK_TOKEN": "hush"})
    assert loaded.secrets == {"BANK_TOKEN": "hush"}
    assert "hush" not in repr(loaded)
