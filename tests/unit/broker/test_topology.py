"""What the topics of a namespace must be, and what is said of those that are not."""

from dataclasses import replace

import pytest

from orchestrator.broker.admin import ClusterDescription
from orchestrator.broker.configuration import BATCH_BYTES
from orchestrator.broker.memory import MemoryBroker, MemoryCluster
from orchestrator.broker.port import TopicDescription
from orchestrator.broker.topology import (
    check_topology,
    command_topic,
    durability_warnings,
    namespace_topics,
    parking_topic,
)
from orchestrator.wire.quarantine import KEPT_BYTES_MAX
from orchestrator.wire.topics import Topics

NAMES = Topics("saga")
SPECS = namespace_topics(NAMES, 4)


@pytest.fixture
def found() -> dict[str, TopicDescription]:
    broker = MemoryBroker(MemoryCluster(), NAMES)
    broker.create(SPECS)
    return broker.topics([spec.name for spec in SPECS])


def changed(topic: TopicDescription, **settings: str) -> TopicDescription:
    return replace(
        topic, settings={**topic.settings, **{key.replace("_", "."): value for key, value in settings.items()}}
    )


def test_topics_are_those_of_the_design() -> None:
    settings = {spec.name.removeprefix("saga."): (spec.partitions, dict(spec.settings)) for spec in SPECS}
    for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    appended = {**for_ever, "message.timestamp.type": "LogAppendTime", "max.message.bytes": "1048588"}
    week = {"cleanup.policy": "delete", "retention.ms": "604800000"}
    assert settings == {
        "requests": (4, appended),
        "replies": (4, appended),
        "journal": (4, {**for_ever, "max.message.bytes": "2097176"}),
        "outcomes": (4, {**week, "max.message.bytes": "1048588"}),
        "definitions": (1, {"cleanup.policy": "compact", "max.message.bytes": "2097176"}),
        "schemas": (1, {"cleanup.policy": "compact", "max.message.bytes": "1048588"}),
        "quarantine": (4, {**week, "max.message.bytes": "2097176"}),
    }


def test_three_replicas_wait_for_two() -> None:
    specs = namespace_topics(NAMES, 4, replication=3)
    assert {(spec.replication, spec.settings["min.insync.replicas"]) for spec in specs} == {(3, "2")}


def test_commands_are_the_participants_own() -> None:
    assert command_topic("bank", 6).name == "bank.commands"
    assert (command_topic("bank", 6).partitions, command_topic("bank", 6).settings) == (6, {})


def test_what_is_parked_has_room_for_the_record_and_the_reason() -> None:
    spec = parking_topic("bank")
    assert (spec.name, spec.partitions) == ("bank.parked", 1)
    assert int(spec.settings["max.message.bytes"]) > KEPT_BYTES_MAX


def test_topics_as_they_were_made_have_no_problem(found: dict[str, TopicDescription]) -> None:
    assert check_topology(SPECS, found) == []


def test_every_problem_is_named_with_its_topic(found: dict[str, TopicDescription]) -> None:
    del found["saga.schemas"]
    found["saga.journal"] = replace(changed(found["saga.journal"], retention_ms="604800000"), partitions=8)
    found["saga.requests"] = changed(found["saga.requests"], message_timestamp_type="CreateTime")
    found["saga.replies"] = changed(found["saga.replies"], retention_bytes="1000000")
    found["saga.definitions"] = changed(found["saga.definitions"], cleanup_policy="delete")
    found["saga.quarantine"] = replace(found["saga.quarantine"], max_message_bytes=1_048_588)
    problems = check_topology(SPECS, found)
    assert [problem.split(":")[0] for problem in problems] == [
        "topic saga.requests",
        "topic saga.replies",
        "topic saga.journal",
        "topic saga.journal",
        "topic saga.definitions",
        "topic saga.schemas",
        "topic saga.quarantine",
    ]
    assert "expected message.timestamp.type=LogAppendTime, got CreateTime" in problems[0]
    assert "expected retention.bytes=-1, got 1000000" in problems[1]
    assert "expected 4 partitions, got 8" in problems[2]
    assert "expected retention.ms=-1, got 604800000" in problems[3]
    assert "expected cleanup.policy=compact, got delete" in problems[4]
    assert "does not" in problems[5]
    assert "expected max.message.bytes of at least 2097176, got 1048588" in problems[6]


def test_larger_records_than_asked_for_are_no_problem(found: dict[str, TopicDescription]) -> None:
    found["saga.requests"] = replace(found["saga.requests"], max_message_bytes=5_000_000)
    assert check_topology(SPECS, found) == []


def test_topic_that_takes_less_than_a_batch_is_a_problem() -> None:
    small = TopicDescription("bank.commands", "id", 6, BATCH_BYTES - 1)
    (problem,) = check_topology([command_topic("bank", 6)], {"bank.commands": small})
    assert "batch of records that is refused would block a shard" in problem


def test_one_machine_is_warned_of_and_three_are_not(found: dict[str, TopicDescription]) -> None:
    settings = {
        "transaction.partition.verification.enable": "true",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "offsets.topic.replication.factor": "3",
    }
    three = ClusterDescription("id", 3, settings)
    durable = {name: replace(changed(topic, min_insync_replicas="2"), replication=3) for name, topic in found.items()}
    assert durability_warnings(three, durable) == []
    assert len(durability_warnings(three, found)) == len(SPECS)
    assert "got no access rights" in durability_warnings(ClusterDescription("id", 3, {}), durable)[0]
    old = replace(three, settings={**settings, "transaction.partition.verification.enable": "false"})
    assert "3.6" in durability_warnings(old, durable)[0]
    unclean = {"saga.journal": changed(durable["saga.journal"], unclean_leader_election_enable="true")}
    assert "unclean.leader.election.enable=false, got true" in durability_warnings(three, unclean)[0]
