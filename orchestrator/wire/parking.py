"""Parking: what a participant cannot read, put away whole in its topic ``{participant}.parked``.

In the form of the quarantine: the reason, the place it was read from, its key, its own headers and value. Who has
mended the cause may send it again as it was.
"""

from typing import Final

from orchestrator.wire.quarantine import put_away
from orchestrator.wire.record import IncomingRecord, OutgoingRecord

PARTITION: Final = 0
"""The topic has one: what is parked is rare, and stands in the order in which it came."""


def parked_topic(participant: str) -> str:
    """The name of the topic; as legal as that of the participant's commands."""
    return f"{participant}.parked"


def parked_record(participant: str, record: IncomingRecord, reason: str, text: str) -> OutgoingRecord:
    """Put away ``record``, which ``participant`` could not read."""
    return put_away(parked_topic(participant), PARTITION, record, reason, text)
