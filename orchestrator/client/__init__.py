"""Whoever starts sagas and waits for them, and whoever deploys them: through Kafka alone, never through Postgres."""
