-- The state of a saga is written now and then; what it lacks stands in the saga's later events.
alter table saga.sagas alter column state drop not null;

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
