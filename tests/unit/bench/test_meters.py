import os
from pathlib import Path

from bench.meters import KafkaMeter, ProcessMeter

JOURNAL = "saga.journal"


def segment(directory: Path, first: int, size: int) -> None:
    (directory / f"{JOURNAL}-0").mkdir(exist_ok=True)
    (directory / f"{JOURNAL}-0" / f"{first:020}.log").write_bytes(bytes(size))


def test_bytes_are_those_on_disk_and_deleted_segments_count_as_large_as_the_others(tmp_path: Path) -> None:
    meter = KafkaMeter("127.0.0.1:1", {JOURNAL: 1}, tmp_path)
    segment(tmp_path, 100, 5_000)  # offsets 0 to 99 are deleted
    segment(tmp_path, 150, 5_000)

    # 100 records in 10,000 bytes are left; 150 were written since the first reading.
    assert meter.bytes_between({(JOURNAL, 0): 50}, {(JOURNAL, 0): 200}) == 15_000


def test_a_partition_without_records_has_no_bytes(tmp_path: Path) -> None:
    meter = KafkaMeter("127.0.0.1:1", {JOURNAL: 1}, tmp_path)

    assert meter.bytes_between({(JOURNAL, 0): 0}, {(JOURNAL, 0): 0}) == 0


def test_processor_time_and_memory_are_those_of_the_process() -> None:
    meter = ProcessMeter({"me": os.getpid()})

    assert meter.pid("me") == os.getpid()
    assert set(meter.cpu_s()) == {"me", "driver"}
    assert meter.cpu_s()["driver"] > 0
    assert 5 < meter.memory_mb("me") < 5_000
