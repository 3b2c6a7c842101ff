"""Bytes on Kafka: CloudEvents headers, Avro framing, topic names, partitioner, the chain."""
