-- Format 1: the first tables. Never edited; what they are for stands in schema.sql.

create table saga.meta (
    one_row boolean not null,
    namespace text not null,
    shards integer not null,
    state text not null,
    format integer not null,
    constraint meta_key primary key (one_row),
    constraint meta_has_one_row check (one_row),
    constraint meta_namespace_is_not_empty check (namespace <> ''),
    constraint meta_has_shards check (shards >= 1),
    constraint meta_state_is_known check (state in ('ready', 'recovering'))
);

create table saga.shards (
    shard integer not null,
    seq bigint not null,
    chain bytea not null,
    owner text not null,
    next_requests bigint not null,
    next_replies bigint not null,
    now_ms bigint not null,
    format integer not null,
    constraint shards_have_one_row_each primary key (shard),
    constraint shards_number_from_zero check (shard >= 0),
    constraint shards_chain_is_sha256 check (octet_length(chain) = 32),
    constraint shards_start_at_genesis check (
        seq >= 0 and (seq = 0) = (chain = decode(repeat('00', 32), 'hex'))
    ),
    constraint shards_offsets_are_not_negative check (next_requests >= 0 and next_replies >= 0),
    constraint shards_time_is_not_negative check (now_ms >= 0)
);

create table saga.outbox (
    shard integer not null,
    seq bigint not null,
    chain bytea not null,
    owner text not null,
    next_requests bigint not null,
    next_replies bigint not null,
    now_ms bigint not null,
    records bytea not null,
    constraint outbox_has_each_batch_once primary key (shard, seq),
    constraint outbox_chain_is_sha256 check (octet_length(chain) = 32)
);

alter table saga.outbox alter column records set storage external;

create table saga.sagas (
    shard integer not null,
    saga_id text collate "C" not null,
    seq bigint not null,
    saga text not null,
    blueprint text not null,
    status text not null,
    version integer not null,
    state json not null,
    due_ms bigint,
    labels jsonb not null,
    started_ms bigint not null,
    ended_ms bigint,
    constraint sagas_have_each_id_once primary key (shard, saga_id),
    constraint sagas_status_is_known check (status in ('running', 'compensating', 'completed', 'compensated')),
    constraint sagas_end_when_status_says_so check (
        (ended_ms is not null) = (status in ('completed', 'compensated'))
    ),
    constraint sagas_ended_have_no_timer check (ended_ms is null or due_ms is null),
    constraint sagas_version_counts_from_one check (version >= 1),
    constraint sagas_labels_are_an_object check (jsonb_typeof(labels) = 'object')
);

create index sagas_due on saga.sagas (shard, due_ms) where due_ms is not null;
create index sagas_by_start on saga.sagas (started_ms, saga_id);
create index sagas_by_label on saga.sagas using gin (labels jsonb_path_ops) where labels <> '{}';

create table saga.events (
    shard integer not null,
    saga_id text collate "C" not null,
    number integer not null,
    seq bigint not null,
    type text not null,
    data json not null,
    topic text,
    partition integer,
    "offset" bigint,
    constraint events_have_each_number_once primary key (shard, saga_id, number),
    constraint events_number_from_one check (number >= 1),
    constraint events_cause_is_whole_or_none check (num_nonnulls(topic, partition, "offset") in (0, 3))
);

create table saga.incidents (
    shard integer not null,
    saga_id text collate "C" not null,
    number integer not null,
    seq bigint not null,
    step text,
    reason text not null,
    text text not null,
    opened_ms bigint not null,
    closed_ms bigint,
    constraint incidents_have_each_number_once primary key (shard, saga_id, number),
    constraint incidents_number_from_one check (number >= 1),
    constraint incidents_close_after_they_open check (closed_ms >= opened_ms)
);

create index incidents_open on saga.incidents (opened_ms) where closed_ms is null;

create table saga.definitions (
    name text collate "C" not null,
    hash text collate "C" not null,
    blueprint json not null,
    active boolean not null,
    constraint definitions_have_each_hash_once primary key (name, hash)
);

create unique index definitions_have_one_active on saga.definitions (name) where active;
