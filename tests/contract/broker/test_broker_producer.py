"""What every broker promises of a relay's producer, the real one and the one in memory."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.broker.configuration import batch_bytes
from orchestrator.broker.port import Broker, Fenced, InputPosition, Inputs, Producer
from orchestrator.errors import TopicMismatch
from orchestrator.wire.record import IncomingRecord
from tests.contract.broker.clusters import Cluster, incompressible, read, read_to_the_end, record, values

Reader = Callable[..., Inputs]
Relay = Callable[..., Producer]


def test_transaction_is_seen_whole_after_its_commit(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    names, producer = cluster.names, relay()
    producer.begin()
    producer.produce([record(names.requests, b"%d" % number) for number in range(3)])
    producer.produce([record(names.replies, b"reply")])
    producer.produce([record(names.journal, b"footer")])
    assert broker.last(names.journal, 1, lambda _: True) is None
    producer.commit()
    records = read(cluster, reader(), 4)
    assert [each.value for each in records if each.topic == names.requests] == [b"0", b"1", b"2"]
    footer = cluster.eventually(lambda: broker.last(names.journal, 1, lambda _: True))
    assert footer.value == b"footer"


def test_producer_goes_on_after_a_clean_commit(cluster: Cluster, reader: Reader, relay: Relay) -> None:
    producer = relay()
    for number in range(20):
        producer.begin()
        producer.produce([record(cluster.names.requests, b"%d" % number)])
        producer.commit()
    assert values(read(cluster, reader(), 20)) == [b"%d" % number for number in range(20)]


def test_empty_transaction_commits_and_the_next_one_counts(cluster: Cluster, reader: Reader, relay: Relay) -> None:
    producer = relay()
    producer.begin()
    producer.commit()
    producer.begin()
    producer.produce([record(cluster.names.requests, b"next")])
    producer.commit()
    assert values(read(cluster, reader(), 1)) == [b"next"]


def test_many_records_keep_their_order_and_their_headers(cluster: Cluster, reader: Reader, relay: Relay) -> None:
    producer = relay()
    producer.begin()
    producer.produce(
        [record(cluster.names.requests, b"%d" % number, headers=(("n", b"%d" % number),)) for number in range(5_000)]
    )
    producer.commit()
    records = read(cluster, reader(), 5_000)
    assert [(each.value, each.headers) for each in records] == [
        (b"%d" % number, (("n", b"%d" % number),)) for number in range(5_000)
    ]


def test_init_fences_the_older_producer_and_aborts_what_it_has_open(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    zombie = relay()
    zombie.begin()
    zombie.produce([record(cluster.names.requests, b"zombie")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 1 or None)
    owner = relay()
    owner.begin()
    owner.produce([record(cluster.names.requests, b"owner")])
    owner.commit()
    with pytest.raises(Fenced):
        zombie.commit()
    with pytest.raises(Fenced):
        zombie.begin()
    cluster.eventually(lambda: broker.input_ends(1) == InputPosition(4, 0) or None)
    assert values(read_to_the_end(cluster, broker, reader())) == [b"owner"]


def test_zombie_that_writes_on_is_fenced_and_nothing_of_it_is_ever_seen(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    zombie = relay()
    zombie.begin()
    zombie.produce([record(cluster.names.requests, b"zombie")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 1 or None)
    owner = relay()

    def write_on() -> None:
        zombie.produce([record(cluster.names.requests, b"zombie"), record(cluster.names.journal, b"zombie's footer")])
        zombie.commit()

    with pytest.raises(Fenced):
        write_on()
    owner.begin()
    owner.produce([record(cluster.names.requests, b"owner"), record(cluster.names.journal, b"footer")])
    owner.commit()
    footer = cluster.eventually(lambda: broker.last(cluster.names.journal, 1, lambda _: True))
    assert footer.value == b"footer"
    assert values(read_to_the_end(cluster, broker, reader())) == [b"owner"]


def test_producers_of_other_shards_are_not_fenced(cluster: Cluster, broker: Broker, relay: Relay) -> None:
    other = broker.producer(2)
    other.init()
    other.begin()
    relay()
    other.produce([record(cluster.names.requests, b"other", partition=2)])
    other.commit()
    other.close()


def test_what_a_closed_producer_had_open_is_aborted_by_the_next_init(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    producer = relay()
    producer.begin()
    producer.produce([record(cluster.names.requests, b"given up")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 1 or None)
    producer.close()
    producer.close()
    relay()
    broker.publish([record(cluster.names.requests, b"seen")])
    assert values(read_to_the_end(cluster, broker, reader())) == [b"seen"]


def test_closed_producer_writes_nothing_more(cluster: Cluster, relay: Relay) -> None:
    producer = relay()
    producer.close()
    with pytest.raises(Fenced):
        producer.begin()
    with pytest.raises(Fenced):
        producer.produce([record(cluster.names.requests, b"late")])
    with pytest.raises(Fenced):
        producer.commit()


def test_transaction_that_is_open_too_long_is_aborted_and_fenced(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    producer = relay(transaction_timeout_ms=1_000)
    producer.begin()
    producer.produce([record(cluster.names.requests, b"open too long")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 1 or None)
    broker.publish([record(cluster.names.requests, b"hidden meanwhile")])
    assert values(read(cluster, reader(), 1)) == [b"hidden meanwhile"]
    with pytest.raises(Fenced):
        producer.commit()


def test_missing_topic_is_named_before_anything_is_written(cluster: Cluster, relay: Relay) -> None:
    producer = relay()
    producer.begin()
    missing = f"{cluster.names.namespace}.nowhere"
    with pytest.raises(TopicMismatch, match="nowhere"):
        producer.produce([record(missing, b"lost")])


def test_missing_partition_is_named(cluster: Cluster, relay: Relay) -> None:
    producer = relay()
    producer.begin()
    with pytest.raises(TopicMismatch, match=r"requests\[77\]"):
        producer.produce([record(cluster.names.requests, b"lost", partition=77)])


def test_record_that_is_just_not_too_large_is_written(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    allowed = broker.topics([cluster.names.requests])[cluster.names.requests].max_message_bytes
    headers = tuple((f"header{number}", b"%d" % number) for number in range(50))
    empty = record(cluster.names.requests, b"", key=b"key", headers=headers)
    largest = replace(empty, value=incompressible(allowed - batch_bytes(empty)))
    assert batch_bytes(largest) == allowed
    producer = relay()
    producer.begin()
    producer.produce([record(cluster.names.requests, b"small"), largest, record(cluster.names.requests, b"small")])
    producer.commit()
    assert values(read(cluster, reader(), 3)) == [b"small", largest.value, b"small"]


def test_record_that_is_too_large_is_named_and_its_transaction_not_seen(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    producer = relay(transaction_timeout_ms=2_000)
    producer.begin()
    large = record(cluster.names.replies, incompressible(1_200_000))
    producer.produce([record(cluster.names.requests, b"with it"), large])
    with pytest.raises(TopicMismatch, match=r"replies \[1\]|replies\[1\]"):
        producer.commit()
    producer.close()
    relay()
    assert read_to_the_end(cluster, broker, reader()) == []


def anything(_: IncomingRecord) -> bool:
    return True


def test_a_partition_is_settled_when_no_transaction_is_open_in_it(
    cluster: Cluster, broker: Broker, relay: Relay
) -> None:
    journal = cluster.names.journal
    assert broker.is_settled(journal, 1)
    producer = relay()
    producer.begin()
    producer.produce([record(journal, b"open")])
    cluster.eventually(lambda: None if broker.is_settled(journal, 1) else True)
    assert broker.last(journal, 1, anything) is None
    found = cluster.eventually(lambda: broker.last_open(journal, 1, anything))
    assert found.value == b"open"
    producer.commit()
    cluster.eventually(lambda: broker.is_settled(journal, 1) or None)
    assert broker.last_open(journal, 1, anything) is None
