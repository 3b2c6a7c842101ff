"""How a participant's program begins and ends."""

import pytest
from structlog.testing import capture_logs

from examples.money_transfer.saga import money_transfer
from orchestrator import Participant
from orchestrator.blueprint import canonical
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.topology import namespace_topics
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator.participant.deployed import warn_of_unhandled
from orchestrator.settings import Settings
from orchestrator.wire.definitions import Activated, Published, activate_record, publish_record
from orchestrator.wire.topics import Topics

TOPICS = Topics("saga")


def test_a_setting_that_cannot_be_ends_it_as_a_command_of_saga(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGA_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("SAGA_SHARDS", "many")
    with pytest.raises(SystemExit) as ended:
        Participant("bank").run()
    assert ended.value.code == ExitCode.USAGE == 2
    assert capsys.readouterr() == ("", "expected a whole number from 1 to 1024 in SAGA_SHARDS, got 'many'\n")


def test_without_any_handler_it_does_not_start_and_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"expected a handler in the participant bank, got none: .*\.handles\("):
        Participant("bank").start(Settings(kafka="127.0.0.1:1"))


def deployed() -> MemoryBroker:
    """A namespace in which the money transfer is deployed."""
    broker = MemoryBroker(MemoryCluster(), TOPICS)
    broker.create(namespace_topics(TOPICS, 1))
    blueprint = money_transfer.compile()
    name, hash_ = blueprint.name, blueprint.hash
    broker.publish(
        [
            publish_record(TOPICS, Published(name, hash_, canonical.dumps(blueprint))),
            activate_record(TOPICS, Activated(name, hash_)),
        ]
    )
    return broker


def test_a_deployed_command_without_handler_is_warned_of_with_its_sagas() -> None:
    with capture_logs() as logs:
        warn_of_unhandled(deployed(), TOPICS, "bank", ["bank.Deposit", "bank.Refund"])
        warn_of_unhandled(deployed(), TOPICS, "courier", [])
        warn_of_unhandled(MemoryBroker(MemoryCluster(), TOPICS), TOPICS, "bank", [])
    assert [(line["log_level"], line["command"], line["sagas"]) for line in logs] == [
        ("warning", "bank.Withdraw", ["money_transfer"])
    ]
