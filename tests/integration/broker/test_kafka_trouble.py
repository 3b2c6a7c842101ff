"""What the adapter says and does when a real broker is slow, silent, gone, or not ours."""

import threading
from collections.abc import Callable
from contextlib import closing
from time import monotonic

import pytest
from confluent_kafka.admin import AdminClient

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.port import Commit, InputPosition
from orchestrator.broker.topology import namespace_topics
from orchestrator.errors import ConfigError, TopicMismatch, Unavailable
from orchestrator.local import kafka as local_kafka
from orchestrator.local.ports import free_port
from orchestrator.wire.record import IncomingRecord
from orchestrator.wire.topics import Topics
from tests.contract.broker.clusters import SHARDS, record, values
from tests.integration.broker import foreign

Connect = Callable[..., KafkaBroker]
PATIENCE_SECONDS = 30.0


# ---------------------------------------------------------------- not reachable, not ours


def test_unreachable_server_is_named_with_the_reason_in_time(namespace: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    broker = KafkaBroker(address, Topics(namespace))
    began = monotonic()
    with pytest.raises(Unavailable, match=f"{address}.*Connection refused.*SAGA_KAFKA"):
        broker.check_reachable(3)
    assert monotonic() - began < 6


def test_unknown_host_is_named_with_the_reason(namespace: str) -> None:
    broker = KafkaBroker("no-such-host.invalid:9092", Topics(namespace))
    with pytest.raises(Unavailable, match="no-such-host.invalid.*SAGA_KAFKA"):
        broker.check_reachable(3)


def test_reachable_server_is_no_error(kafka: str, namespace: str) -> None:
    KafkaBroker(kafka, Topics(namespace)).check_reachable(10)


def test_tls_to_a_listener_without_it_says_so(kafka: str, namespace: str) -> None:
    broker = KafkaBroker(kafka, Topics(namespace), {"security.protocol": "SSL"})
    with pytest.raises(Unavailable, match="SSL .*by peer"):
        broker.check_reachable(3)


def test_refused_credentials_are_a_wrong_setting_and_told_at_once(kafka: str, namespace: str) -> None:
    options = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "not to be shown",
    }
    broker = KafkaBroker(kafka, Topics(namespace), options)
    began = monotonic()
    with pytest.raises(ConfigError, match=r"SAGA_KAFKA__SECURITY_PROTOCOL") as raised:
        broker.check_reachable(10)
    assert monotonic() - began < 5
    assert "not to be shown" not in f"{raised.value} {broker!r}"


@pytest.mark.parametrize(
    "options", [{"no.such.setting": "1"}, {"security.protocol": "NONE"}], ids=["unknown setting", "unknown value"]
)
def test_option_that_librdkafka_does_not_know_is_a_wrong_setting(
    kafka: str, namespace: str, options: dict[str, str]
) -> None:
    broker = KafkaBroker(kafka, Topics(namespace), options)
    with pytest.raises(ConfigError, match="SAGA_KAFKA__"):
        broker.check_reachable(1)


def test_setting_that_the_cluster_refuses_is_a_wrong_setting(kafka: str, connect: Connect) -> None:
    with pytest.raises(ConfigError, match="INVALID_SESSION_TIMEOUT"):
        _poll_until_it_raises(connect(kafka, session_timeout_ms=10))
    broker = connect(kafka)
    with pytest.raises(ConfigError, match="replication"):
        broker.create(namespace_topics(Topics(f"{broker.names.namespace}more"), SHARDS, replication=3))


def test_membership_without_the_topic_says_which(kafka: str, namespace: str) -> None:
    with pytest.raises(TopicMismatch, match=rf"{namespace}\.requests"):
        _poll_until_it_raises(KafkaBroker(kafka, Topics(namespace)))


def test_follower_and_producer_without_their_topics_say_which(kafka: str, namespace: str) -> None:
    broker = KafkaBroker(kafka, Topics(namespace))
    with pytest.raises(TopicMismatch, match=rf"{namespace}\.definitions"):
        broker.follower(broker.names.definitions).catch_up()
    with closing(broker.producer(0)) as producer, pytest.raises(TopicMismatch, match=rf"{namespace}\.journal"):
        producer.init()


def _poll_until_it_raises(broker: KafkaBroker) -> None:
    until = monotonic() + PATIENCE_SECONDS
    with closing(broker.membership()) as membership:
        while monotonic() < until:
            membership.poll(0.1)


# ---------------------------------------------------------------- what anybody may write


def test_headers_whose_name_is_no_text_read_as_none(kafka: str, connect: Connect) -> None:
    """Where the call is specialised (after some good records) the binding's broken answer would end the process."""
    broker = connect(kafka)
    good = [record(broker.names.requests, b"%d" % number, partition=0) for number in range(64)]
    broker.publish(good)
    foreign.produce(kafka, broker.names.requests, 0, b"bad", [(b"bad\xff\xfe", b"x")])
    broker.publish(good)
    found: list[IncomingRecord] = []
    until = monotonic() + PATIENCE_SECONDS
    with closing(broker.inputs(0, InputPosition(0, 0))) as inputs:
        while len(found) < 2 * len(good) + 1:
            assert monotonic() < until
            inputs.wait(1)
            found += inputs.poll(200)
    assert (found[len(good)].value, found[len(good)].headers) == (b"bad", ())
    texts = [each.value for each in good]
    assert values(found) == [*texts, b"bad", *texts]


# ---------------------------------------------------------------- a broker that comes back


def test_a_broker_that_was_killed_and_came_back_is_asked_anew(
    own_kafka: local_kafka.KafkaBroker, connect: Connect
) -> None:
    broker = connect(own_kafka.bootstrap)
    with closing(broker.follower(broker.names.definitions)) as follower:
        for number in range(2):
            broker.publish([record(broker.names.definitions, b"%d" % number, partition=0)])
            assert values(_in_time(follower.catch_up)) == [b"%d" % number]
            own_kafka.kill()
            own_kafka.restart()


def _in_time(read: Callable[[], list[IncomingRecord]]) -> list[IncomingRecord]:
    """What is read first; a broker that has just come back may not answer yet."""
    until = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            found = read()
        except Unavailable:
            assert monotonic() < until
            continue
        if found:
            return found
        assert monotonic() < until


# ---------------------------------------------------------------- a topic that is not what it was


def test_recreated_topic_is_noticed_by_its_id(kafka: str, connect: Connect) -> None:
    broker = connect(kafka)
    names = [broker.names.requests, broker.names.replies, broker.names.journal]
    before = {name: topic.id for name, topic in broker.topics(names).items()}
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([broker.names.replies])[broker.names.replies].result()
    until = monotonic() + PATIENCE_SECONDS
    while broker.names.replies in broker.topics(names):
        assert monotonic() < until
    broker.create(namespace_topics(broker.names, SHARDS))
    after = {name: topic.id for name, topic in broker.topics(names).items()}
    assert {name for name in names if before[name] != after[name]} == {broker.names.replies}


def test_last_looks_behind_what_compaction_took_away(own_kafka: local_kafka.KafkaBroker, connect: Connect) -> None:
    broker = connect(own_kafka.bootstrap)
    settings = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "100"}
    topic = f"{broker.names.namespace}.compacted"
    spec = namespace_topics(broker.names, SHARDS)[0]
    broker.create([type(spec)(topic, 1, settings)])
    broker.publish([record(topic, b"kept", partition=0, key=b"only once")])
    until = monotonic() + PATIENCE_SECONDS

    def offsets() -> list[int]:
        with closing(broker.follower(topic)) as follower:
            return [each.offset for each in follower.catch_up()]

    while len(offsets()) > 20:  # the active segment is never compacted: another write makes the next one active
        assert monotonic() < until
    broker.publish([record(topic, b"%d" % number, partition=0, key=b"same") for number in range(300)])
    while len(offsets()) > 100:
        broker.publish([record(topic, b"again", partition=0, key=b"same")])
        assert monotonic() < until
    found = broker.last(topic, 0, lambda each: each.key == b"only once")
    assert found is not None
    assert (found.offset, found.value) == (0, b"kept")
    newest = broker.last(topic, 0, lambda _: True)
    assert newest is not None
    assert newest.offset == offsets()[-1]


# ---------------------------------------------------------------- a broker that is slow or silent


def test_commit_that_takes_long_is_slow(own_kafka: local_kafka.KafkaBroker, connect: Connect) -> None:
    paused = threading.Event()

    def pause(name: str) -> None:
        if name == "commit.before_end" and not paused.is_set():
            own_kafka.pause()
            paused.set()
            threading.Timer(1.2, own_kafka.resume).start()

    broker = connect(own_kafka.bootstrap, crash_point=pause)
    with closing(broker.producer(1)) as producer:
        producer.init()
        producer.begin()
        producer.produce([record(broker.names.journal, b"slow")])
        assert producer.commit() is Commit.SLOW
    with closing(broker.producer(1)) as renewed:
        renewed.init()
        found = broker.last(broker.names.journal, 1, lambda _: True)
        assert found is not None
        assert found.value == b"slow"
        renewed.begin()
        renewed.produce([record(broker.names.journal, b"next")])
        renewed.commit()
        found = broker.last(broker.names.journal, 1, lambda _: True)
        assert found is not None
        assert found.value == b"next"


def test_silent_broker_is_unavailable_within_bounds_and_nothing_blocks_on_closing(
    own_kafka: local_kafka.KafkaBroker, connect: Connect
) -> None:
    broker = connect(own_kafka.bootstrap, transaction_timeout_ms=2_000)
    inputs, producer = broker.inputs(1, InputPosition(0, 0)), broker.producer(1)
    inputs.wait(0.2)
    producer.init()
    producer.begin()
    producer.produce([record(broker.names.journal, b"unknown outcome")])
    own_kafka.pause()
    try:
        began = monotonic()
        with pytest.raises(Unavailable):
            producer.commit()
        assert monotonic() - began < 2.0 + 2.0
        assert inputs.poll(10) == []
        began = monotonic()
        producer.close()
        inputs.close()
        broker.close()
        assert monotonic() - began < 1.0
    finally:
        own_kafka.resume()


def test_restart_of_the_broker_disturbs_no_reader_and_nothing_is_printed(
    own_kafka: local_kafka.KafkaBroker, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = connect(own_kafka.bootstrap)
    broker.publish([record(broker.names.requests, b"before")])
    with closing(broker.inputs(1, InputPosition(0, 0))) as inputs, closing(broker.membership()) as membership:
        until = monotonic() + PATIENCE_SECONDS
        while len(membership.poll(0.1)) < SHARDS:
            assert monotonic() < until
        while not inputs.poll(10):
            inputs.wait(0.2)
            assert monotonic() < until
        own_kafka.kill()
        for _ in range(5):
            inputs.wait(0.2)
            assert inputs.poll(10) == []
            membership.poll(0.1)
        own_kafka.restart()
        connect(own_kafka.bootstrap).publish([record(broker.names.requests, b"after")])
        until = monotonic() + PATIENCE_SECONDS
        got: list[bytes | None] = []
        while not got:
            inputs.wait(0.2)
            got = values(inputs.poll(10))
            assert monotonic() < until
        assert got == [b"after"]
    printed = capfd.readouterr()
    assert "saga-orchestrator" not in printed.out + printed.err, "librdkafka's lines begin with the client's id"
