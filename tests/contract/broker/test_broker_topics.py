"""What every broker promises of topics, of their last records, and of those that are read whole."""

from collections.abc import Callable
from contextlib import closing

import pytest

from orchestrator.broker.port import Broker, InputPosition, Producer, TopicSpec
from orchestrator.broker.topology import check_topology, namespace_topics
from orchestrator.errors import TopicMismatch
from tests.contract.broker.clusters import SHARDS, Cluster, incompressible, record, values

Relay = Callable[[], Producer]


# ---------------------------------------------------------------- topics


def test_namespace_is_made_as_it_is_checked(cluster: Cluster, broker: Broker) -> None:
    specs = namespace_topics(cluster.names, SHARDS)
    found = broker.topics([spec.name for spec in specs])
    assert check_topology(specs, found) == []
    assert {name: topic.partitions for name, topic in found.items()} == {spec.name: spec.partitions for spec in specs}
    assert found[cluster.names.journal].max_message_bytes == 2 * found[cluster.names.requests].max_message_bytes


def test_only_topics_that_exist_are_described(cluster: Cluster, broker: Broker) -> None:
    missing = f"{cluster.names.namespace}.nowhere"
    assert list(broker.topics([missing, cluster.names.journal])) == [cluster.names.journal]
    assert broker.topics([missing]) == {}
    assert broker.topics([]) == {}


def test_creating_again_changes_nothing(cluster: Cluster, broker: Broker) -> None:
    specs = namespace_topics(cluster.names, SHARDS)
    before = broker.topics([spec.name for spec in specs])
    broker.create(specs)
    assert broker.topics([spec.name for spec in specs]) == before


def test_topic_with_other_partitions_is_a_mismatch(cluster: Cluster, broker: Broker) -> None:
    with pytest.raises(TopicMismatch, match=r"expected topic .*journal with 8 partitions, got 4"):
        broker.create([TopicSpec(cluster.names.journal, 2 * SHARDS)])


def test_settings_are_those_asked_for(cluster: Cluster, broker: Broker) -> None:
    name = f"{cluster.names.namespace}.commands"
    broker.create([TopicSpec(name, 3, {"max.message.bytes": "200000", "retention.ms": "60000"})])
    (topic,) = broker.topics([name]).values()
    assert (topic.partitions, topic.max_message_bytes, topic.replication) == (3, 200_000, 1)
    assert topic.settings["retention.ms"] == "60000"


def test_recreated_topic_has_another_id(cluster: Cluster, broker: Broker) -> None:
    replies = cluster.names.replies
    before = broker.topics([replies])[replies]
    assert broker.topics([replies])[replies].id == before.id
    cluster.delete_topic(replies)
    broker.create(namespace_topics(cluster.names, SHARDS))
    assert broker.topics([replies])[replies].id != before.id


# ---------------------------------------------------------------- publishing


def test_published_records_are_stored_when_it_returns(cluster: Cluster, broker: Broker) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(100)])
    assert broker.input_ends(1) == InputPosition(100, 0)


def test_publishing_to_a_missing_topic_is_a_mismatch(cluster: Cluster, broker: Broker) -> None:
    with pytest.raises(TopicMismatch, match="nowhere"):
        broker.publish([record(f"{cluster.names.namespace}.nowhere", b"lost")])
    broker.publish([record(cluster.names.requests, b"afterwards")])
    assert broker.input_ends(1) == InputPosition(1, 0)


def test_publishing_what_is_too_large_is_a_mismatch(cluster: Cluster, broker: Broker) -> None:
    with pytest.raises(TopicMismatch, match="requests"):
        broker.publish([record(cluster.names.requests, incompressible(1_200_000))])
    assert broker.input_ends(1) == InputPosition(0, 0)


# ---------------------------------------------------------------- the last record


def test_last_of_an_empty_log_is_none(cluster: Cluster, broker: Broker) -> None:
    assert broker.last(cluster.names.journal, 0, lambda _: True) is None


def test_last_of_a_missing_topic_is_a_mismatch(cluster: Cluster, broker: Broker) -> None:
    with pytest.raises(TopicMismatch, match="nowhere"):
        broker.last(f"{cluster.names.namespace}.nowhere", 0, lambda _: True)


def test_last_is_the_last_that_is_wanted(cluster: Cluster, broker: Broker) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(1_000)])
    for wanted, expected in ((b"999", 999), (b"998", 998), (b"900", 900), (b"0", 0)):
        found = broker.last(cluster.names.requests, 1, lambda each, wanted=wanted: each.value == wanted)
        assert found is not None
        assert (found.offset, found.value) == (expected, wanted)
    assert broker.last(cluster.names.requests, 1, lambda each: each.value == b"none") is None


def test_last_reads_other_partitions_and_topics_alike(cluster: Cluster, broker: Broker) -> None:
    names = cluster.names
    broker.publish(
        [record(names.requests, b"a", partition=0), record(names.requests, b"b"), record(names.replies, b"c")]
    )
    for topic, partition, expected in ((names.requests, 0, b"a"), (names.replies, 1, b"c"), (names.requests, 1, b"b")):
        found = broker.last(topic, partition, lambda _: True)
        assert found is not None
        assert found.value == expected


def test_last_looks_behind_gaps_that_hold_nothing(cluster: Cluster, broker: Broker, relay: Relay) -> None:
    requests, producer = cluster.names.requests, relay()
    producer.begin()
    producer.produce([record(requests, b"footer")])
    producer.commit()
    for aborted in (300, 200):
        producer = relay()
        before = broker.input_ends(1).next_requests
        producer.begin()
        producer.produce([record(requests, b"aborted") for _ in range(aborted)])
        cluster.eventually(lambda end=before + aborted: broker.input_ends(1).next_requests >= end or None)
    relay()
    found = cluster.eventually(lambda: broker.last(requests, 1, lambda _: True))
    assert found.value == b"footer"
    assert found.offset == 0


def test_last_does_not_see_what_is_open(cluster: Cluster, broker: Broker, relay: Relay) -> None:
    requests, producer = cluster.names.requests, relay()
    broker.publish([record(requests, b"committed")])
    producer.begin()
    producer.produce([record(requests, b"open")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 2 or None)
    found = broker.last(requests, 1, lambda _: True)
    assert found is not None
    assert found.value == b"committed"


def test_last_stops_at_the_beginning_of_a_log_that_was_cut(cluster: Cluster, broker: Broker) -> None:
    requests = cluster.names.requests
    broker.publish([record(requests, b"%d" % number) for number in range(200)])
    broker.delete_inputs(1, InputPosition(150, 0))
    found = broker.last(requests, 1, lambda each: each.value == b"150")
    assert found is not None
    assert found.offset == 150
    assert broker.last(requests, 1, lambda each: each.value == b"149") is None
    broker.delete_inputs(1, InputPosition(200, 0))
    assert broker.last(requests, 1, lambda _: True) is None


# ---------------------------------------------------------------- topics that are read whole


def test_follower_reads_all_and_then_what_is_new(cluster: Cluster, broker: Broker) -> None:
    definitions = cluster.names.definitions
    broker.publish([record(definitions, b"%d" % number, partition=0) for number in range(3)])
    with closing(broker.follower(definitions)) as follower:
        assert values(follower.catch_up()) == [b"0", b"1", b"2"]
        assert follower.catch_up() == []
        broker.publish([record(definitions, b"3", partition=0), record(definitions, None, partition=0)])
        assert values(follower.catch_up()) == [b"3", None]
        assert follower.catch_up() == []


def test_follower_of_an_empty_topic_returns_at_once(cluster: Cluster, broker: Broker) -> None:
    with closing(broker.follower(cluster.names.schemas)) as follower:
        assert follower.catch_up() == []


def test_follower_reads_a_recreated_topic_from_its_beginning(cluster: Cluster, broker: Broker) -> None:
    definitions = cluster.names.definitions
    broker.publish([record(definitions, b"%d" % number, partition=0) for number in range(5)])
    with closing(broker.follower(definitions)) as follower:
        assert len(follower.catch_up()) == 5
        cluster.delete_topic(definitions)
        broker.create(namespace_topics(cluster.names, SHARDS))
        another = cluster.process()
        another.publish([record(definitions, b"new", partition=0)])
        assert values(follower.catch_up()) == [b"new"]


# ---------------------------------------------------------------- the history of a partition


def test_a_history_is_read_from_any_offset_to_any_other(cluster: Cluster, broker: Broker, relay: Relay) -> None:
    journal = cluster.names.journal
    producer = relay()
    for first in (0, 20):
        producer.begin()
        producer.produce([record(journal, b"%d" % number) for number in range(first, first + 20)])
        producer.commit()
    with closing(broker.history(journal, 1)) as history:
        first, end = history.bounds()
        assert (first, end) == (0, 42)  # each transaction ends with a control record
        everything = [each for page in history.pages(first, end) for each in page]
        assert values(everything) == [b"%d" % number for number in range(40)]
        assert [each.offset for each in everything] == [*range(20), *range(21, 41)]
        some = [each.offset for page in history.pages(7, 30) for each in page]
        assert some == [*range(7, 20), *range(21, 30)]
        assert [each for page in history.pages(end, end) for each in page] == []
        assert next(iter(history.pages(20, end)))[0].offset == 21


def test_a_history_ends_before_an_open_transaction_and_lacks_what_was_aborted(
    cluster: Cluster, broker: Broker, relay: Relay
) -> None:
    journal = cluster.names.journal
    producer = relay()
    producer.begin()
    producer.produce([record(journal, b"aborted")])
    later = relay()  # its init ends the transaction
    later.begin()
    later.produce([record(journal, b"committed")])
    later.commit()
    later.begin()
    later.produce([record(journal, b"open")])
    with closing(broker.history(journal, 1)) as history:
        _, end = history.bounds()
        assert values([each for page in history.pages(0, end) for each in page]) == [b"committed"]
