import pytest

from orchestrator.errors import ConfigError
from orchestrator.wire.topics import Topics, fault_of_topic


def test_names_of_a_namespace() -> None:
    topics = Topics("eu.payments")
    assert vars(topics) == {
        "namespace": "eu.payments",
        "requests": "eu.payments.requests",
        "replies": "eu.payments.replies",
        "journal": "eu.payments.journal",
        "outcomes": "eu.payments.outcomes",
        "definitions": "eu.payments.definitions",
        "schemas": "eu.payments.schemas",
        "quarantine": "eu.payments.quarantine",
        "group": "eu.payments-orchestrators",
        "clients_group": "eu.payments-clients",
        "relay_id_prefix": "eu.payments-relay-",
    }
    assert topics.relay_id(3) == "eu.payments-relay-3"


def test_commands_are_not_prefixed() -> None:
    assert Topics("a").commands("bank") == Topics("b").commands("bank") == "bank.commands"


@pytest.mark.parametrize("namespace", ["", ".", "..", "a/b", "a b", "ä", "a\n", "x" * 238])
def test_a_namespace_that_kafka_refuses_is_an_error_of_the_configuration(namespace: str) -> None:
    with pytest.raises(ConfigError, match="expected .*choose another SAGA_NAMESPACE"):
        Topics(namespace)


@pytest.mark.parametrize("participant", ["", "a/b", "x" * 241])
def test_a_participant_that_kafka_refuses_is_named(participant: str) -> None:
    with pytest.raises(ValueError, match="in the participant"):
        Topics.commands(participant)


def test_the_longest_names_are_allowed() -> None:
    assert fault_of_topic("x" * 249) is None
    assert fault_of_topic("x" * 250) == "expected at most 249 characters, got 250"
    assert len(Topics("x" * 237).definitions) == 249
