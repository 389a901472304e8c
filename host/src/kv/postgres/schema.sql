-- Buckets in PostgreSQL. Applied once per database, by whichever host comes first; a later version of Wharf adds
-- functions with other numbers beside these.
create schema if not exists wharf_kv;
create sequence if not exists wharf_kv.version;
create table if not exists wharf_kv.entries (
  bucket text collate "C" not null,
  -- UTF-8; bytes, because text has no NUL and other orders.
  key bytea not null,
  value bytea not null,
  version bigint not null,
  -- Unix time in milliseconds, by this server's clock.
  expires_at bigint,
  primary key (bucket, key)
);
create index if not exists entries_expiry on wharf_kv.entries (bucket, expires_at) where expires_at is not null;
-- What the entries of a bucket take, in parts, so that its writers do not wait for each other.
create table if not exists wharf_kv.usages (
  bucket text collate "C" not null,
  part int not null,
  entries bigint not null,
  bytes bigint not null,
  primary key (bucket, part)
);

create or replace function wharf_kv.now_1() returns bigint language sql volatile parallel safe
  as $$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- The lock of a key. Keys share a thousand of them: the table of locks belongs to the whole server, and is not large.
create or replace function wharf_kv.lock_1(b text, k bytea) returns bigint language sql immutable parallel safe
  as $$ select 8746310000 + (hashtextextended(b || ' ' || encode(k, 'hex'), 8746310) & 1023) $$;

-- Applies a batch wholly or, when a check does not hold (version is null), not at all. Kinds of checks: 1 absent,
-- 2 present, 3 of a version; kinds of changes: 0 put, 1 delete, 2 increment.
create or replace function wharf_kv.apply_1(
  b text,
  check_keys bytea[], check_kinds int[], check_versions bigint[],
  kinds int[], keys bytea[], vals bytea[], ttls bigint[], deltas bigint[], initials bigint[],
  most_entries numeric, most_bytes numeric, most_swept int,
  out version bigint, out sums bigint[]
) language plpgsql as $$
declare
  n int := coalesce(array_length(kinds, 1), 0);
  t bigint;
  expired bytea;
  old record;
  total record;
  txt text;
  number numeric;
  expiry bigint;
  grown_entries bigint := 0;
  grown_bytes bigint := 0;
begin
  sums := '{}';
  -- In one order, so that two batches never wait for each other.
  perform pg_advisory_xact_lock(l)
    from (select distinct wharf_kv.lock_1(b, k) as l from unnest(check_keys || keys) k order by 1) locks;
  t := wharf_kv.now_1();

  for expired in
    select e.key from wharf_kv.entries e where e.bucket = b and e.expires_at <= t order by e.expires_at limit most_swept
  loop
    if pg_try_advisory_xact_lock(wharf_kv.lock_1(b, expired)) then
      delete from wharf_kv.entries e where e.bucket = b and e.key = expired and e.expires_at <= t
        returning octet_length(e.key) + octet_length(e.value) as size into old;
      if found then
        grown_entries := grown_entries - 1;
        grown_bytes := grown_bytes - old.size;
        perform pg_notify('wharf_kv', b || ' ' || encode(expired, 'hex'));
      end if;
    end if;
  end loop;

  for i in 1 .. coalesce(array_length(check_keys, 1), 0) loop
    select e.version as v into old from wharf_kv.entries e
      where e.bucket = b and e.key = check_keys[i] and (e.expires_at is null or e.expires_at > t);
    if (check_kinds[i] = 1 and found) or (check_kinds[i] > 1 and not found)
      or (check_kinds[i] = 3 and old.v is distinct from check_versions[i]) then
      perform wharf_kv.count_1(b, grown_entries, grown_bytes);
      return;
    end if;
  end loop;

  version := nextval('wharf_kv.version');
  for i in 1 .. n loop
    select octet_length(e.key) + octet_length(e.value) as size, e.value as v, e.expires_at as x,
        (e.expires_at is null or e.expires_at > t) as live
      into old from wharf_kv.entries e where e.bucket = b and e.key = keys[i];
    if found then
      grown_entries := grown_entries - 1;
      grown_bytes := grown_bytes - old.size;
    end if;
    if kinds[i] = 1 then
      delete from wharf_kv.entries e where e.bucket = b and e.key = keys[i];
    else
      expiry := case when ttls[i] is null then null else t + ttls[i] end;
      if kinds[i] = 2 then
        number := initials[i];
        if coalesce(old.live, false) then
          txt := encode(old.v, 'escape');
          if txt !~ '^(0|-?[1-9][0-9]{0,18})$' then
            raise exception using errcode = 'WK001', message = encode(keys[i], 'hex');
          end if;
          number := txt::numeric;
          if number not between -9223372036854775808 and 9223372036854775807 then
            raise exception using errcode = 'WK001', message = encode(keys[i], 'hex');
          end if;
          expiry := old.x;
        end if;
        number := number + deltas[i];
        if number not between -9223372036854775808 and 9223372036854775807 then
          raise exception using errcode = 'WK002', message = encode(keys[i], 'hex');
        end if;
        sums := sums || number::bigint;
        vals[i] := convert_to(number::bigint::text, 'UTF8');
      end if;
      insert into wharf_kv.entries as e values (b, keys[i], vals[i], version, expiry)
        on conflict on constraint entries_pkey
        do update set value = excluded.value, version = excluded.version, expires_at = excluded.expires_at;
      grown_entries := grown_entries + 1;
      grown_bytes := grown_bytes + octet_length(keys[i]) + octet_length(vals[i]);
    end if;
    perform pg_notify('wharf_kv', b || ' ' || encode(keys[i], 'hex'));
  end loop;

  if (grown_entries > 0 and most_entries is not null) or (grown_bytes > 0 and most_bytes is not null) then
    select coalesce(sum(u.entries), 0) + grown_entries as entries, coalesce(sum(u.bytes), 0) + grown_bytes as bytes
      into total from wharf_kv.usages u where u.bucket = b;
    if grown_entries > 0 and total.entries > most_entries then
      raise exception using errcode = 'WK003', message = most_entries::text;
    end if;
    if grown_bytes > 0 and total.bytes > most_bytes then
      raise exception using errcode = 'WK004', message = most_bytes::text;
    end if;
  end if;
  perform wharf_kv.count_1(b, grown_entries, grown_bytes);
end $$;

create or replace function wharf_kv.count_1(b text, grown_entries bigint, grown_bytes bigint)
  returns void language plpgsql as $$
begin
  if grown_entries <> 0 or grown_bytes <> 0 then
    insert into wharf_kv.usages as u values (b, pg_backend_pid() % 32, grown_entries, grown_bytes)
      on conflict on constraint usages_pkey
      do update set entries = u.entries + excluded.entries, bytes = u.bytes + excluded.bytes;
  end if;
end $$;
