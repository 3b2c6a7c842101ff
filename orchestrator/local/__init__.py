"""A real Kafka and a real Postgres on this computer, without Docker, Java or Postgres installed first."""
