"""Ready-made participants: what a service that knows no Kafka needs in front of it."""
