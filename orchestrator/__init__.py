"""Event-sourced sagas on Kafka and Postgres: the public names, nothing else."""

__version__ = "0.1.0"
