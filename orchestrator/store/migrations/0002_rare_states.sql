-- The state of a saga is written now and then; what it lacks stands in the saga's later events.
alter table saga.sagas alter column state drop not null;
alter table saga.sagas add column state_version integer;
update saga.sagas set state_version = version;
alter table saga.sagas alter column state_version set not null;
alter table saga.sagas add constraint sagas_state_is_of_a_version check (
    (state is null) = (state_version = 0) and state_version between 0 and version
);

-- Sagas with the events behind their state, in order.
create view saga.stored_sagas as
select s.*,
    array(select e.type from saga.events as e
        where e.shard = s.shard and e.saga_id = s.saga_id and e.number > s.state_version order by e.number
    ) as tail_types,
    array(select e.data::text from saga.events as e
        where e.shard = s.shard and e.saga_id = s.saga_id and e.number > s.state_version order by e.number
    ) as tail_data
from saga.sagas as s;
