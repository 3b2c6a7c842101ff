"""Kafka behind a port: consumer, transactional producer, admin, error translation; and a verified fake."""
