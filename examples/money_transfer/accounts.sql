-- What the bank keeps, and two customers to try it with. The inbox makes its own table, saga_inbox, beside it.
create table if not exists accounts (
    id      text primary key,
    balance numeric(38, 9) not null
);
insert into accounts values ('alice', 100), ('bob', 0) on conflict do nothing;
