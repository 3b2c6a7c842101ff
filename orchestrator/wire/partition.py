"""Which partition a text belongs to: Java's murmur2 over its UTF-8 bytes, so that every Kafka client can agree.

Computed by us and never left to a client's default: librdkafka's is CRC32, Java's murmur2.
"""

from functools import lru_cache
from struct import unpack_from
from typing import Final

# org.apache.kafka.common.utils.Utils.murmur2, all arithmetic modulo 2**32.
_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_SHIFT: Final = 24
_MASK: Final = 0xFFFFFFFF

CACHED_MAX: Final = 16_384
"""Texts remembered: a saga's id is hashed for each of its records, and these come close together."""


def murmur2(data: bytes) -> int:
    """Java's ``Utils.murmur2`` as an unsigned 32-bit number (Java shows it signed)."""
    length = len(data)
    value = _SEED ^ (length & _MASK)
    whole = length >> 2
    for word in unpack_from(f"<{whole}I", data):
        mixed = (word * _FACTOR) & _MASK
        value = ((value * _FACTOR) ^ ((mixed ^ (mixed >> _SHIFT)) * _FACTOR)) & _MASK
    rest = data[whole << 2 :]
    if rest:
        value = ((value ^ int.from_bytes(rest, "little")) * _FACTOR) & _MASK
    value = ((value ^ (value >> 13)) * _FACTOR) & _MASK
    return value ^ (value >> 15)


@lru_cache(maxsize=CACHED_MAX)
def partition_of(text: str, partitions: int) -> int:
    """``(murmur2(utf-8) & 0x7fffffff) mod partitions``: what Java's producer does with the key ``text``."""
    return (murmur2(text.encode()) & 0x7FFFFFFF) % partitions
