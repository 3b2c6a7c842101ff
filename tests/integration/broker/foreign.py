"""Records as other clients may write them: header names of any bytes, which Python's client does not let through."""

import ctypes
from collections.abc import Sequence
from ctypes import c_char_p, c_int, c_size_t, c_ssize_t, c_void_p
from pathlib import Path

import confluent_kafka

FLUSH_MS = 10_000
# rd_kafka_vtype_t and RD_KAFKA_MSG_F_COPY of rdkafka.h (librdkafka 2.x).
END, TOPIC, PARTITION, VALUE, MESSAGE_FLAGS, HEADERS = 0, 1, 3, 4, 7, 10
COPY = 2


def produce(kafka: str, topic: str, partition: int, value: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Write one record with librdkafka itself, the one that the wheel of confluent-kafka brings."""
    library = _librdkafka()
    configuration, error = library.rd_kafka_conf_new(), ctypes.create_string_buffer(512)
    assert library.rd_kafka_conf_set(configuration, b"bootstrap.servers", kafka.encode(), error, len(error)) == 0
    client = library.rd_kafka_new(0, configuration, error, len(error))
    assert client, error.value
    made = library.rd_kafka_headers_new(len(headers))
    for name, text in headers:
        assert library.rd_kafka_header_add(made, name, len(name), text, len(text)) == 0
    arguments = [
        *(c_int(TOPIC), c_char_p(topic.encode())),
        *(c_int(PARTITION), c_int(partition)),
        *(c_int(MESSAGE_FLAGS), c_int(COPY)),
        *(c_int(VALUE), c_char_p(value), c_size_t(len(value))),
        *(c_int(HEADERS), c_void_p(made)),
        c_int(END),
    ]
    assert library.rd_kafka_producev(c_void_p(client), *arguments) == 0
    assert library.rd_kafka_flush(client, FLUSH_MS) == 0
    library.rd_kafka_destroy(client)


def _librdkafka() -> ctypes.CDLL:
    (package,) = confluent_kafka.__path__
    beside = [
        *Path(package).parent.glob("confluent_kafka.libs/librdkafka*"),
        *Path(package).glob(".dylibs/librdkafka*"),
    ]
    assert beside, "expected librdkafka in the wheel of confluent-kafka, found none"
    library = ctypes.CDLL(str(beside[0]))
    library.rd_kafka_conf_new.restype = c_void_p
    library.rd_kafka_conf_set.argtypes = [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]
    library.rd_kafka_new.argtypes = [c_int, c_void_p, c_char_p, c_size_t]
    library.rd_kafka_new.restype = c_void_p
    library.rd_kafka_headers_new.argtypes = [c_size_t]
    library.rd_kafka_headers_new.restype = c_void_p
    library.rd_kafka_header_add.argtypes = [c_void_p, c_char_p, c_ssize_t, c_char_p, c_ssize_t]
    library.rd_kafka_flush.argtypes = [c_void_p, c_int]
    library.rd_kafka_destroy.argtypes = [c_void_p]
    library.rd_kafka_destroy.restype = None
    return library
