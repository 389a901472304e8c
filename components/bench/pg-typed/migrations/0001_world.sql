-- The table of the well-known web framework benchmarks: 10,000 rows.
create table if not exists world (
    id int4 primary key,
    randomnumber int4 not null
);

insert into world (id, randomnumber)
select id, 1 + (id::int8 * 7919) % 10000
from generate_series(1, 10000) as id
on conflict do nothing;
