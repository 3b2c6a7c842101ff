import pytest
from confluent_kafka.cimpl import murmur2 as librdkafkas_partition
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.wire.partition import murmur2, partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, and one text for each length modulo 4 (librdkafka's rdmurmur2.c).
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
    "": 275646681,
    "kafka": -798503068,
    "1234": -1614185708,
    "234": -406844982,
    "34": -2026295078,
}


@pytest.mark.parametrize(("text", "signed"), JAVA.items())
def test_murmur2_is_javas(text: str, signed: int) -> None:
    assert murmur2(text.encode()) == signed & 0xFFFFFFFF


def test_partition_is_of_the_positive_hash() -> None:
    assert partition_of("foobar", 50) == (-790332482 & 0x7FFFFFFF) % 50 == 16


def test_partitions_of_saga_ids_never_change() -> None:
    ids = ["transfer-1", "transfer-2", "0f8fad5b-d9cb-469f-a165-70867728950e", "überweisung-3", "取引-4"]
    assert [partition_of(saga_id, 16) for saga_id in ids] == GOLDEN_PARTITIONS


GOLDEN_PARTITIONS = [10, 8, 5, 13, 11]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 1000))
def test_every_text_goes_where_librdkafkas_murmur2_sends_it(text: str, partitions: int) -> None:
    assert partition_of(text, partitions) == librdkafkas_partition(text.encode(), partitions)
