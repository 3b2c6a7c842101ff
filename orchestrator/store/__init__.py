"""Postgres behind a port: schema, queries, writer, reader; and a verified fake."""
