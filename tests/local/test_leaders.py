"""What the local stack waits for before it says that it is ready."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from orchestrator.errors import Unavailable
from orchestrator.local import leaders
from orchestrator.local.leaders import await_leaders
from orchestrator.local.ports import free_port
from orchestrator.local.stack import LocalStack
from tests.servers import new_directory

pytestmark = pytest.mark.integration
SECONDS = 30
TOPICS, PARTITIONS = 4, 16


def test_after_the_wait_every_partition_is_served_at_the_first_question(kafka: str, namespace: str) -> None:
    names = [f"{namespace}.{number}" for number in range(TOPICS)]
    creator = AdminClient({"bootstrap.servers": kafka})
    for created in creator.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        created.result(SECONDS)
    await_leaders(kafka)
    places = [TopicPartition(name, partition) for name in names for partition in range(PARTITIONS)]
    end = OffsetSpec.latest()
    assert end is not None
    asked: dict[TopicPartition, OffsetSpec] = dict.fromkeys(places, end)
    asker = AdminClient({"bootstrap.servers": kafka})  # a new one, which knows nothing of leaders
    answers = asker.list_offsets(asked)
    assert [answer.result(SECONDS).offset for answer in answers.values()] == [0] * TOPICS * PARTITIONS


def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders, "LEADERS_S", 0.0)
    monkeypatch.setattr(leaders, "METADATA_S", 0.1)
    with pytest.raises(Unavailable, match=r"expected Kafka at 127.0.0.1:\d+ to lead every partition within 0 s, got: "):
        await_leaders(f"127.0.0.1:{free_port()}")


def test_a_stack_tells_its_addresses_after_the_wait_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(bootstrap: str) -> None:
        raise Unavailable(f"{bootstrap}: waited for")

    monkeypatch.setattr("orchestrator.local.stack.await_leaders", never)
    with new_directory() as directory:
        with pytest.raises(Unavailable, match=r"127.0.0.1:\d+: waited for"):
            LocalStack(Path(directory)).start()
        assert not (directory / "addresses.json").exists()
