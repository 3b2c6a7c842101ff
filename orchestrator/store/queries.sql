-- Every query of the store, by name. After the name: what it is for. Parameters are named, and typed where they are used.
-- Lock order everywhere: the row of saga.shards, then rows of the same shard in the other tables.


-- name: meta
-- What the database is.
select namespace, shards, state, format from saga.meta;


-- name: snapshot
-- A shard's row, the state of the database and the heads of its outbox, in order. One statement, so one moment.
select s.shard, s.seq, s.chain, s.next_requests, s.next_replies, s.now_ms, m.state, o.seq, o.chain
from saga.shards as s cross join saga.meta as m
left join saga.outbox as o on o.shard = s.shard
where s.shard = %(shard)s::integer
order by o.seq;


-- name: lock_shard
-- The first step of a take-over. Locks the row, the first in the lock order: a busy owner would win every race otherwise.
select shard, seq, chain, next_requests, next_replies, now_ms, format
from saga.shards where shard = %(shard)s::integer
for update;


-- name: end_lock_holder
-- End the session that holds a shard's row, and wait until it is gone. The row names its holder (xmax), so nobody is hit
-- who only waits in the same queue: pg_blocking_pids() would name those too, and only while we wait ourselves. Who took
-- the row just now works, and is left alone. Takes no lock.
select l.pid, pg_terminate_backend(l.pid, %(wait_ms)s::bigint) as ended
from saga.shards as s
join pg_locks as l on l.locktype = 'transactionid' and l.granted and l.transactionid = s.xmax
join pg_stat_activity as a on a.pid = l.pid
where s.shard = %(shard)s::integer and l.pid <> pg_backend_pid()
    and a.xact_start < clock_timestamp() - make_interval(secs => %(held_ms)s::integer / 1000.0);


-- name: append
-- The compare-and-set and the whole batch, in one statement: it is its own transaction, so a client that stops in the
-- middle holds no lock. Gives the new seq, or no row when the shard has another history or the database another state.
-- Locks the shard's row first: everything else is inserted `from head`, which is empty until the row is locked.
with head as (
    update saga.shards
    set seq = seq + 1, chain = %(chain)s::bytea, owner = %(owner)s::text, format = greatest(format, %(format)s::integer),
        next_requests = %(next_requests)s::bigint, next_replies = %(next_replies)s::bigint, now_ms = %(now_ms)s::bigint
    where shard = %(shard)s::integer and chain = %(previous)s::bytea
        and exists (select from saga.meta where state = %(state)s::text)
    returning *
), outbox as (
    insert into saga.outbox (shard, seq, chain, owner, next_requests, next_replies, now_ms, records)
    select shard, seq, chain, owner, next_requests, next_replies, now_ms, %(records)s::bytea from head
), events as (
    insert into saga.events (shard, saga_id, number, seq, type, data, topic, partition, "offset")
    select head.shard, e.id, e.number, head.seq, e.type, e.data, e.topic, e.partition, e.at
    from head, unnest(%(event_saga_ids)s::text[], %(event_numbers)s::bigint[], %(event_types)s::text[],
        %(event_data)s::json[], %(event_topics)s::text[], %(event_partitions)s::bigint[], %(event_offsets)s::bigint[]
    ) as e (id, number, type, data, topic, partition, at)
), sagas as (
    insert into saga.sagas as old (shard, saga_id, seq, saga, blueprint, status, version, state, due_ms, labels,
        started_ms, ended_ms)
    select head.shard, s.id, head.seq, s.saga, s.blueprint, s.status, s.version, s.state, s.due, s.labels::jsonb,
        s.started, s.ended
    from head, unnest(%(saga_ids)s::text[], %(saga_names)s::text[], %(saga_blueprints)s::text[],
        %(saga_statuses)s::text[], %(saga_versions)s::bigint[], %(saga_states)s::json[], %(saga_dues)s::bigint[],
        %(saga_labels)s::text[], %(saga_starts)s::bigint[], %(saga_ends)s::bigint[]
    ) as s (id, saga, blueprint, status, version, state, due, labels, started, ended)
    on conflict (shard, saga_id) do update
    set seq = excluded.seq, saga = excluded.saga, blueprint = excluded.blueprint, status = excluded.status,
        version = excluded.version, state = coalesce(excluded.state, old.state), due_ms = excluded.due_ms,
        labels = excluded.labels, started_ms = excluded.started_ms, ended_ms = excluded.ended_ms
), incidents as (
    insert into saga.incidents (shard, saga_id, number, seq, step, reason, text, opened_ms, closed_ms)
    select head.shard, i.id, i.number, head.seq, i.step, i.reason, i.text, i.opened, i.closed
    from head, unnest(%(incident_saga_ids)s::text[], %(incident_numbers)s::bigint[], %(incident_steps)s::text[],
        %(incident_reasons)s::text[], %(incident_texts)s::text[], %(incident_opens)s::bigint[],
        %(incident_closes)s::bigint[]
    ) as i (id, number, step, reason, text, opened, closed)
    on conflict (shard, saga_id, number) do update
    set seq = excluded.seq, step = excluded.step, reason = excluded.reason, text = excluded.text,
        opened_ms = excluded.opened_ms, closed_ms = excluded.closed_ms
)
select seq from head;


-- name: trim
-- As `append`, for a batch that lets closed sagas go: the same compare-and-set, and their rows are deleted. A statement of
-- its own, so that batches which trim nothing pay nothing for it.
with head as (
    update saga.shards
    set seq = seq + 1, chain = %(chain)s::bytea, owner = %(owner)s::text,
        format = greatest(format, %(format)s::integer),
        next_requests = %(next_requests)s::bigint, next_replies = %(next_replies)s::bigint, now_ms = %(now_ms)s::bigint
    where shard = %(shard)s::integer and chain = %(previous)s::bytea
        and exists (select from saga.meta where state = %(state)s::text)
    returning *
), outbox as (
    insert into saga.outbox (shard, seq, chain, owner, next_requests, next_replies, now_ms, records)
    select shard, seq, chain, owner, next_requests, next_replies, now_ms, %(records)s::bytea from head
), events as (
    delete from saga.events as e using head where e.shard = head.shard and e.saga_id = any(%(trimmed)s::text[])
), incidents as (
    delete from saga.incidents as i using head where i.shard = head.shard and i.saga_id = any(%(trimmed)s::text[])
), sagas as (
    delete from saga.sagas as s using head where s.shard = head.shard and s.saga_id = any(%(trimmed)s::text[])
)
select seq from head;


-- name: load
-- What the journal has of several batches, in one statement as `append` has it: the same compare-and-set, while the
-- database is being recovered. Of the outbox the row of the last batch alone: all of it is published, and a later
-- comparison needs the row at the footer.
with head as (
    update saga.shards
    set seq = %(seq)s::bigint, chain = %(chain)s::bytea, owner = %(owner)s::text, format = greatest(format, %(format)s::integer),
        next_requests = %(next_requests)s::bigint, next_replies = %(next_replies)s::bigint, now_ms = %(now_ms)s::bigint
    where shard = %(shard)s::integer and chain = %(previous)s::bytea
        and exists (select from saga.meta where state = %(state)s::text)
    returning *
), published as (
    delete from saga.outbox using head where outbox.shard = head.shard
), outbox as (
    insert into saga.outbox (shard, seq, chain, owner, next_requests, next_replies, now_ms, records)
    select shard, seq, chain, owner, next_requests, next_replies, now_ms, %(records)s::bytea from head
), events as (
    insert into saga.events (shard, saga_id, number, seq, type, data, topic, partition, "offset")
    select head.shard, e.id, e.number, e.seq, e.type, e.data, e.topic, e.partition, e.at
    from head, unnest(%(event_saga_ids)s::text[], %(event_numbers)s::bigint[], %(event_seqs)s::bigint[],
        %(event_types)s::text[], %(event_data)s::json[], %(event_topics)s::text[], %(event_partitions)s::bigint[],
        %(event_offsets)s::bigint[]
    ) as e (id, number, seq, type, data, topic, partition, at)
), sagas as (
    insert into saga.sagas as old (shard, saga_id, seq, saga, blueprint, status, version, state, due_ms, labels,
        started_ms, ended_ms)
    select head.shard, s.id, s.seq, s.saga, s.blueprint, s.status, s.version, s.state, s.due, s.labels::jsonb,
        s.started, s.ended
    from head, unnest(%(saga_ids)s::text[], %(saga_seqs)s::bigint[], %(saga_names)s::text[],
        %(saga_blueprints)s::text[], %(saga_statuses)s::text[], %(saga_versions)s::bigint[], %(saga_states)s::json[],
        %(saga_dues)s::bigint[], %(saga_labels)s::text[], %(saga_starts)s::bigint[], %(saga_ends)s::bigint[]
    ) as s (id, seq, saga, blueprint, status, version, state, due, labels, started, ended)
    on conflict (shard, saga_id) do update
    set seq = excluded.seq, saga = excluded.saga, blueprint = excluded.blueprint, status = excluded.status,
        version = excluded.version, state = coalesce(excluded.state, old.state), due_ms = excluded.due_ms,
        labels = excluded.labels, started_ms = excluded.started_ms, ended_ms = excluded.ended_ms
), incidents as (
    insert into saga.incidents (shard, saga_id, number, seq, step, reason, text, opened_ms, closed_ms)
    select head.shard, i.id, i.number, i.seq, i.step, i.reason, i.text, i.opened, i.closed
    from head, unnest(%(incident_saga_ids)s::text[], %(incident_numbers)s::bigint[], %(incident_seqs)s::bigint[],
        %(incident_steps)s::text[], %(incident_reasons)s::text[], %(incident_texts)s::text[],
        %(incident_opens)s::bigint[], %(incident_closes)s::bigint[]
    ) as i (id, number, seq, step, reason, text, opened, closed)
    on conflict (shard, saga_id, number) do update
    set seq = excluded.seq, step = excluded.step, reason = excluded.reason, text = excluded.text,
        opened_ms = excluded.opened_ms, closed_ms = excluded.closed_ms
)
select seq from head;


-- name: delete_trimmed
-- What the batches of a passage trimmed, behind `load` in its transaction, which holds the shard's row.
with events as (
    delete from saga.events where shard = %(shard)s::integer and saga_id = any(%(trimmed)s::text[])
), incidents as (
    delete from saga.incidents where shard = %(shard)s::integer and saga_id = any(%(trimmed)s::text[])
)
delete from saga.sagas where shard = %(shard)s::integer and saga_id = any(%(trimmed)s::text[]);


-- name: reset
-- A shard whose history is not the journal's, back to its genesis, in one statement.
with head as (
    update saga.shards
    set seq = 0, chain = %(genesis)s::bytea, owner = '', next_requests = 0, next_replies = 0, now_ms = 0
    where shard = %(shard)s::integer and chain in (%(chain)s::bytea, %(genesis)s::bytea)
        and exists (select from saga.meta where state = %(state)s::text)
    returning *
), outbox as (
    delete from saga.outbox using head where outbox.shard = head.shard
), events as (
    delete from saga.events using head where events.shard = head.shard
), sagas as (
    delete from saga.sagas using head where sagas.shard = head.shard
), incidents as (
    delete from saga.incidents using head where incidents.shard = head.shard
)
select seq from head;


-- name: try_recovery_lock
-- One recovery at a time, for as long as its session lives.
select pg_try_advisory_lock(%(key)s::bigint);


-- name: lock_shards
-- Before `meta.state` changes: appends that had begun are then over.
lock table saga.shards in share row exclusive mode;


-- name: set_state
-- What the database is for from now on.
update saga.meta set state = %(state)s::text;


-- name: whose
-- Why an append found nothing to change: whose history the shard has now.
select s.seq, s.chain, s.owner, m.state
from saga.shards as s cross join saga.meta as m
where s.shard = %(shard)s::integer;


-- name: outbox
-- What a new owner's relay publishes: batches above the last footer, in order.
select seq, chain, owner, next_requests, next_replies, now_ms, records
from saga.outbox
where shard = %(shard)s::integer and seq > %(above)s::bigint
order by seq
limit %(limit)s::integer;


-- name: trim_outbox
-- Delete what is published. Locks only outbox rows, which nobody else touches any more.
delete from saga.outbox where shard = %(shard)s::integer and seq < %(below)s::bigint;


-- name: sagas
-- The sagas that a batch of inputs needs, each with the events behind its state.
select s.saga_id, s.saga, s.blueprint, s.status, s.version, s.state::text, s.due_ms, s.labels::text,
    s.started_ms, s.ended_ms, s.tail_types, s.tail_data
from saga.stored_sagas as s
where s.shard = %(shard)s::integer and s.saga_id = any(%(saga_ids)s::text[]);


-- name: due
-- Sagas whose timers have run down, the earliest first.
select saga_id from saga.sagas
where shard = %(shard)s::integer and due_ms <= %(now_ms)s::bigint
order by due_ms, saga_id
limit %(limit)s::integer;


-- name: next_due
-- When the shard must wake up.
select min(due_ms) from saga.sagas where shard = %(shard)s::integer and due_ms is not null;


-- name: closed
-- Sagas that are old enough to be trimmed, those that ended first in front, with how many events they have. Ids are not ordered: many sagas may have ended
-- in one millisecond, and the index need not be sorted behind. What waits for an operator stays.
select s.saga_id, s.version from saga.sagas as s
where s.shard = %(shard)s::integer and s.ended_ms < %(before_ms)s::bigint
    and not exists (
        select from saga.incidents as i where i.shard = s.shard and i.saga_id = s.saga_id and i.closed_ms is null)
order by s.ended_ms
limit %(limit)s::integer;


-- name: may_trim
-- Whether this user may delete the rows of closed sagas.
select bool_and(has_table_privilege('saga.' || name, 'delete'))
from unnest(array['sagas', 'events', 'incidents']) as name;


-- name: lock_definitions
-- Every process fills the cache at its start: one after the other. The table is the only lock of that transaction.
lock table saga.definitions in share row exclusive mode;


-- name: clear_active
-- Before the active ones are set: a name must not have two at any time.
update saga.definitions set active = false where active and name = any(%(names)s::text[]);


-- name: save_definition
-- One definition into the cache.
insert into saga.definitions (name, hash, blueprint, active)
values (%(name)s::text, %(hash)s::text, %(blueprint)s::json, %(active)s::boolean)
on conflict (name, hash) do update set blueprint = excluded.blueprint, active = excluded.active;


-- name: definitions
-- The whole cache.
select name, hash, blueprint::text, active from saga.definitions order by name, hash;


-- name: has_tables
-- Whether `saga migrate` was here, whether the schema exists, and in which encoding the database stores text.
select to_regclass('saga.meta') is not null as tables, to_regnamespace('saga') is not null as schema,
    current_setting('server_encoding') as encoding;


-- name: lock_migration
-- One migration at a time. The only advisory lock; taken before any other lock of that transaction.
select pg_advisory_xact_lock(%(key)s::bigint);


-- name: insert_meta
-- The row that says what the database is.
insert into saga.meta (one_row, namespace, shards, state, format)
values (true, %(namespace)s::text, %(shards)s::integer, 'ready', %(format)s::integer);


-- name: insert_shards
-- Every shard at its genesis.
insert into saga.shards (shard, seq, chain, owner, next_requests, next_replies, now_ms, format)
select shard, 0, %(genesis)s::bytea, '', 0, 0, 0, %(format)s::integer
from generate_series(0, %(shards)s::integer - 1) as shard;


-- name: set_format
-- A migration is done.
update saga.meta set format = %(format)s::integer;


-- name: durability
-- Settings on which "committed" depends.
select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes') order by name;


-- name: saga_of_id
-- One saga wherever it is. `published`: what nobody outside has seen could still be taken back by the loss of the
-- database; the outbox keeps the row at the last footer, so its oldest row is the last that is surely published.
select s.shard, s.saga_id, s.saga, s.blueprint, s.status, s.version, s.state::text, s.due_ms, s.labels::text,
    s.started_ms, s.ended_ms, s.tail_types, s.tail_data,
    s.seq <= coalesce((select min(o.seq) from saga.outbox as o where o.shard = s.shard), 0) as published
from saga.shards as n join saga.stored_sagas as s on s.shard = n.shard and s.saga_id = %(saga_id)s::text;


-- name: events_of_saga
-- The timeline of one saga.
select e.shard, e.saga_id, e.number, e.type, e.data::text, e.topic, e.partition, e."offset", e.seq,
    e.seq <= coalesce((select min(o.seq) from saga.outbox as o where o.shard = e.shard), 0) as published
from saga.shards as n join saga.events as e on e.shard = n.shard and e.saga_id = %(saga_id)s::text
order by e.number;


-- name: open_incidents
-- What waits for an operator, the oldest first.
select i.shard, s.saga, i.saga_id, i.number, i.step, i.reason, i.text, i.opened_ms, i.closed_ms,
    i.seq <= coalesce((select min(o.seq) from saga.outbox as o where o.shard = i.shard), 0) as published
from saga.incidents as i
join saga.sagas as s on s.shard = i.shard and s.saga_id = i.saga_id
where i.closed_ms is null
order by i.opened_ms, i.saga_id, i.number
limit %(limit)s::integer;


-- name: count_open_incidents
-- How many wait for an operator, by shard; reads the index of open ones alone.
select shard, count(*) from saga.incidents where closed_ms is null group by shard;


-- name: list_sagas
-- A page of sagas, the newest first. `after`: the last saga of the page before.
select s.shard, s.saga_id, s.saga, s.blueprint, s.status, s.version, s.state::text, s.due_ms, s.labels::text,
    s.started_ms, s.ended_ms, s.tail_types, s.tail_data,
    s.seq <= coalesce((select min(o.seq) from saga.outbox as o where o.shard = s.shard), 0) as published
from saga.stored_sagas as s
where (%(status)s::text is null or s.status = %(status)s::text)
    and (%(saga)s::text is null or s.saga = %(saga)s::text)
    and (%(after)s::text is null or (s.started_ms, s.saga_id) < (
        select a.started_ms, a.saga_id from saga.shards as n
        join saga.sagas as a on a.shard = n.shard and a.saga_id = %(after)s::text))
order by s.started_ms desc, s.saga_id desc
limit %(limit)s::integer;


-- name: list_sagas_with_labels
-- The same for sagas that have one of these label objects. Materialized, so that it goes by the index of the labels: the
-- planner cannot know how rare a label is, and would look for it through all sagas in the order of the page.
with labelled as materialized (
    select shard, saga_id from saga.sagas where labels <> '{}' and labels @> any(%(labels)s::jsonb[])
)
select s.shard, s.saga_id, s.saga, s.blueprint, s.status, s.version, s.state::text, s.due_ms, s.labels::text,
    s.started_ms, s.ended_ms, s.tail_types, s.tail_data,
    s.seq <= coalesce((select min(o.seq) from saga.outbox as o where o.shard = s.shard), 0) as published
from labelled join saga.stored_sagas as s using (shard, saga_id)
where (%(status)s::text is null or s.status = %(status)s::text)
    and (%(saga)s::text is null or s.saga = %(saga)s::text)
    and (%(after)s::text is null or (s.started_ms, s.saga_id) < (
        select a.started_ms, a.saga_id from saga.shards as n
        join saga.sagas as a on a.shard = n.shard and a.saga_id = %(after)s::text))
order by s.started_ms desc, s.saga_id desc
limit %(limit)s::integer;


-- name: definition
-- The blueprint of a saga that is shown.
select blueprint::text from saga.definitions where name = %(name)s::text and hash = %(hash)s::text;


-- name: all_events
-- Every event of a shard, to be compared with its journal.
select seq, saga_id, number, type, data::text, topic, partition, "offset"
from saga.events where shard = %(shard)s::integer
order by saga_id, number;


-- name: all_sagas
-- Every saga of a shard, to be compared with its journal.
select s.seq, s.saga_id, s.saga, s.blueprint, s.status, s.version, s.state::text, s.due_ms, s.labels::text,
    s.started_ms, s.ended_ms, s.tail_types, s.tail_data
from saga.stored_sagas as s where s.shard = %(shard)s::integer
order by s.saga_id;


-- name: all_incidents
-- Every incident of a shard, to be compared with its journal.
select seq, saga_id, number, step, reason, text, opened_ms, closed_ms
from saga.incidents where shard = %(shard)s::integer
order by saga_id, number;


-- name: one_moment
-- Every later query of this transaction sees the same moment.
set transaction isolation level repeatable read, read only;
