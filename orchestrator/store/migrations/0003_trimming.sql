-- Format 3: closed sagas may be trimmed. Never edited; what it is for stands in schema.sql.

create index sagas_ended on saga.sagas (shard, ended_ms) where ended_ms is not null;
