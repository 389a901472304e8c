-- Who signed, and how often.
create table authors (
    id int8 generated always as identity primary key,
    name text not null unique check (char_length(name) between 1 and 60),
    entries int4 not null default 0
);

-- What they wrote.
create table entries (
    id int8 generated always as identity primary key,
    author_id int8 not null references authors (id),
    message text not null check (char_length(message) between 1 and 1000),
    created_at timestamptz not null default now()
);

create index entries_by_author on entries (author_id);
