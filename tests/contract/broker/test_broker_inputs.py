"""What every broker promises of a shard's inputs, the real one and the one in memory."""

import threading
from collections.abc import Callable

import pytest

from orchestrator.broker.port import Broker, InputPosition, Inputs, Producer
from orchestrator.errors import InputsDeleted
from tests.contract.broker.clusters import Cluster, read, read_to_the_end, record, values

Reader = Callable[..., Inputs]
Relay = Callable[[], Producer]


def test_record_arrives_as_it_was_written(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    headers = (("ce_id", b"1"), ("empty", b""), ("ce_id", b"again"), ("bytes", bytes(range(256))))
    broker.publish([record(cluster.names.requests, bytes(range(256)), key="ключ".encode(), headers=headers)])
    (got,) = read(cluster, reader(), 1)
    assert (got.topic, got.partition, got.offset) == (cluster.names.requests, 1, 0)
    assert (got.key, got.headers, got.value) == ("ключ".encode(), headers, bytes(range(256)))
    assert got.timestamp_ms > 1_600_000_000_000


def test_record_without_key_value_and_headers_arrives_so(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    broker.publish([record(cluster.names.replies, None, key=None), record(cluster.names.replies, b"", key=b"")])
    nothing, empty = read(cluster, reader(), 2)
    assert (nothing.key, nothing.headers, nothing.value) == (None, (), None)
    assert (empty.key, empty.headers, empty.value) == (b"", (), b"")


def test_both_inputs_of_the_shard_are_read_in_order_and_no_others(
    cluster: Cluster, broker: Broker, reader: Reader
) -> None:
    names = cluster.names
    for number in range(10):
        broker.publish([record(names.requests, b"request %d" % number), record(names.replies, b"reply %d" % number)])
    broker.publish([record(names.requests, b"another shard's", partition=2), record(names.journal, b"no input")])
    records = read(cluster, reader(), 20)
    assert [each.value for each in records if each.topic == names.requests] == [b"request %d" % n for n in range(10)]
    assert [each.value for each in records if each.topic == names.replies] == [b"reply %d" % n for n in range(10)]
    assert len(records) == 20


def test_reading_begins_at_the_offsets_that_are_given(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    names = cluster.names
    broker.publish([record(names.requests, b"%d" % number) for number in range(5)])
    broker.publish([record(names.replies, b"%d" % number) for number in range(5)])
    inputs = reader(3, 4)
    assert inputs.position() == InputPosition(3, 4)
    assert sorted(values(read(cluster, inputs, 3)), key=str) == [b"3", b"4", b"4"]
    assert inputs.position() == InputPosition(5, 5)


def test_no_more_than_the_limit_comes_at_once_and_nothing_is_lost(
    cluster: Cluster, broker: Broker, reader: Reader
) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(10)])
    inputs, polls = reader(), list[list[bytes | None]]()

    def all_read() -> bool | None:
        inputs.wait(0.2)
        polls.append(values(inputs.poll(3)))
        return True if sum(map(len, polls)) == 10 else None

    cluster.eventually(all_read)
    assert [value for poll in polls for value in poll] == [b"%d" % number for number in range(10)]
    assert max(map(len, polls)) == 3


def test_position_counts_only_what_was_handed_over(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(10)])
    inputs = reader()
    cluster.eventually(lambda: inputs.wait(0.2) or inputs.poll(1) or None)
    assert inputs.position() == InputPosition(1, 0)
    inputs.wait(0.2)
    assert inputs.position() == InputPosition(1, 0)


def test_wait_returns_when_a_record_comes(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    inputs = reader()
    read_to_the_end(cluster, broker, inputs)
    writer = threading.Thread(target=broker.publish, args=([record(cluster.names.replies, b"now")],))
    writer.start()
    inputs.wait(30)
    got = inputs.poll(10)
    writer.join()
    assert values(got or read(cluster, inputs, 1)) == [b"now"]


def test_open_transaction_hides_what_others_write_behind_it(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    requests = cluster.names.requests
    broker.publish([record(requests, b"before")])
    producer = relay()
    producer.begin()
    producer.produce([record(requests, b"inside")])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 2 or None)
    broker.publish([record(requests, b"behind")])
    inputs = reader()
    assert values(read(cluster, inputs, 1)) == [b"before"]
    assert broker.input_ends(1) == InputPosition(3, 0), "the high watermark counts what is hidden"
    assert inputs.poll(10) == []
    assert inputs.position() == InputPosition(1, 0)
    producer.commit()
    assert values(read(cluster, inputs, 2)) == [b"inside", b"behind"]


def test_position_at_the_end_is_behind_control_records(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    producer = relay()
    producer.begin()
    producer.produce([record(cluster.names.requests, b"request"), record(cluster.names.replies, b"reply")])
    producer.commit()
    cluster.eventually(lambda: broker.input_ends(1) == InputPosition(2, 2) or None)
    inputs = reader()
    assert sorted(values(read_to_the_end(cluster, broker, inputs)), key=str) == [b"reply", b"request"]
    assert inputs.position() == InputPosition(2, 2)


def test_aborted_transaction_is_never_seen_and_the_position_passes_it(
    cluster: Cluster, broker: Broker, reader: Reader, relay: Relay
) -> None:
    producer = relay()
    producer.begin()
    producer.produce([record(cluster.names.requests, b"aborted %d" % number) for number in range(5)])
    cluster.eventually(lambda: broker.input_ends(1).next_requests == 5 or None)
    relay()
    broker.publish([record(cluster.names.requests, b"real")])
    inputs = reader()
    assert values(read_to_the_end(cluster, broker, inputs)) == [b"real"]
    assert inputs.position() == InputPosition(7, 0)


@pytest.mark.parametrize("offset", [1, 99], ids=["deleted", "never written"])
def test_offset_out_of_range_is_for_an_operator(cluster: Cluster, broker: Broker, reader: Reader, offset: int) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(5)])
    broker.delete_inputs(1, InputPosition(3, 0))
    inputs = reader(offset)
    with pytest.raises(InputsDeleted, match=r"requests\[1\]"):
        read(cluster, inputs, 1)


def test_deleted_inputs_are_gone_and_the_rest_is_read(cluster: Cluster, broker: Broker, reader: Reader) -> None:
    broker.publish([record(cluster.names.requests, b"%d" % number) for number in range(5)])
    for _ in range(2):
        broker.delete_inputs(1, InputPosition(3, 0))
    broker.delete_inputs(1, InputPosition(2, 0))
    assert values(read(cluster, reader(3), 2)) == [b"3", b"4"]
    assert broker.input_ends(1) == InputPosition(5, 0)
    assert broker.input_beginnings(1) == InputPosition(3, 0)


def test_closing_twice_does_nothing_more(reader: Reader) -> None:
    inputs = reader()
    inputs.close()
    inputs.close()
