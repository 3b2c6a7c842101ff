-- The tables of one namespace, as a new database gets them. `migrations/` leads an older database to the same place;
-- a test compares the two.
--
-- * No defaults, sequences or now(): a database rebuilt from the journal must equal the lost one.
-- * `shard` leads every primary key, so the tables can be distributed by it; `meta` and `definitions` are the same
--   everywhere. A shard's owner touches rows of its own shard only.
-- * `json`, not `jsonb` and not `text`: it keeps the canonical text byte for byte, which hashes are made of, and can
--   still be asked (`data ->> 'step'`). It costs no more than `text` (measured). `labels` is for searching, so `jsonb`.
-- * Ids are ordered by their bytes (collation "C"): the same in every database, whatever its locale and its libc.
-- * Lock order: the row of `shards` first, then everything else of that shard. Whoever changes `meta.state` takes
--   `lock table saga.shards in share row exclusive mode` before it: appends that had begun are then over, and later
--   ones see the new state.

-- What the database is.
create table saga.meta (
    one_row boolean not null,
    namespace text not null,
    shards integer not null,
    -- 'recovering': nobody may take over or append.
    state text not null,
    -- Number of the last migration.
    format integer not null,
    constraint meta_key primary key (one_row),
    constraint meta_has_one_row check (one_row),
    constraint meta_namespace_is_not_empty check (namespace <> ''),
    constraint meta_has_shards check (shards >= 1),
    constraint meta_state_is_known check (state in ('ready', 'recovering'))
);

-- The head of each shard's chain of batches.
create table saga.shards (
    shard integer not null,
    seq bigint not null,
    chain bytea not null,
    -- The take-over that appended last; empty before the first.
    owner text not null,
    next_requests bigint not null,
    next_replies bigint not null,
    now_ms bigint not null,
    -- Of batches and events, 2 from the first trimmed saga on; older code refuses the shard.
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

-- The Kafka records of batches that are not known to be published, and those of the batch at the last footer.
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

-- Written once and read once, soon: compressing costs more than it saves.
alter table saga.outbox alter column records set storage external;

-- Every saga as it stands, but for closed ones that were trimmed: no table has a row of those.
create table saga.sagas (
    shard integer not null,
    saga_id text collate "C" not null,
    -- The batch that changed it last: later than the last footer means that nobody outside has seen it.
    seq bigint not null,
    saga text not null,
    blueprint text not null,
    status text not null,
    version integer not null,
    -- Written now and then, as of the event that its version says; null: not yet. The rest stands in the events.
    state json,
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
-- To find what may be trimmed.
create index sagas_ended on saga.sagas (shard, ended_ms) where ended_ms is not null;
create index sagas_by_start on saga.sagas (started_ms, saga_id);
-- Partial, since most sagas have no labels and every change of a saga would write to it.
create index sagas_by_label on saga.sagas using gin (labels jsonb_path_ops) where labels <> '{}';

-- Everything that happened to each saga that has a row.
create table saga.events (
    shard integer not null,
    saga_id text collate "C" not null,
    number integer not null,
    -- The batch it came with.
    seq bigint not null,
    type text not null,
    data json not null,
    -- Where the input came from that caused it; null for a timer.
    topic text,
    partition integer,
    "offset" bigint,
    constraint events_have_each_number_once primary key (shard, saga_id, number),
    constraint events_number_from_one check (number >= 1),
    constraint events_cause_is_whole_or_none check (num_nonnulls(topic, partition, "offset") in (0, 3))
);

-- Sagas with the events behind their state, in order. A state ends with its version: it is canonical JSON. (-> would look
-- at all of it, and refuse what a text of the saga's may hold: \u0000.)
create view saga.stored_sagas as
select s.*,
    array(select e.type from saga.events as e
        where e.shard = s.shard and e.saga_id = s.saga_id and e.number > s.written order by e.number
    ) as tail_types,
    array(select e.data::text from saga.events as e
        where e.shard = s.shard and e.saga_id = s.saga_id and e.number > s.written order by e.number
    ) as tail_data
from (
    select *, coalesce(substring(state::text from '"version":([0-9]+)}$')::integer, 0) as written from saga.sagas
) as s;

-- What waits, or waited, for an operator.
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

-- A cache of the definitions topic.
create table saga.definitions (
    name text collate "C" not null,
    hash text collate "C" not null,
    blueprint json not null,
    active boolean not null,
    constraint definitions_have_each_hash_once primary key (name, hash)
);

create unique index definitions_have_one_active on saga.definitions (name) where active;
