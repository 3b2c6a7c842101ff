"""`make demo`: 1,000 transfers through a real Kafka and a real Postgres, the orchestrator killed in the middle."""
