"""Records that came to the wrong partition: sent on once, through the outbox; a second time they are quarantine.

A forwarded record is the same event: key, headers and value are kept, its ``ce_id`` among them. One header is put
before them, ``ce_forwardedfrom`` = ``topic/partition/offset``.
"""

from orchestrator.wire.headers import FORWARDEDFROM, place_of
from orchestrator.wire.record import IncomingRecord, OutgoingRecord


def was_forwarded(record: IncomingRecord) -> bool:
    """Whether the record was sent on already, from wherever."""
    return any(name == FORWARDEDFROM for name, _ in record.headers)


def forwarded_record(record: IncomingRecord, partition: int) -> OutgoingRecord:
    """``record``, which was not forwarded before, on the partition where it belongs."""
    headers = ((FORWARDEDFROM, place_of(record).encode()), *record.headers)
    return OutgoingRecord(record.topic, partition, record.key, headers, record.value)
