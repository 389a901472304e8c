-- Applies a batch wholly or not at all; ../batch.rs says what it means.
-- KEYS: values, metas ("version:expiry"), order, expiries, version, bytes, scratch.
-- ARGV: channel, most entries, most bytes, how many expired ones to clear away,
--       how many checks, then key, condition and version of each;
--       how many changes, then kind, key, value or delta, ttl, initial of each.
local values, metas, order, expiries, counter, bytes, scratch = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = 0
local function argument()
  at = at + 1
  return ARGV[at]
end
local function forget(key)
  local size = redis.call('HSTRLEN', values, key)
  if redis.call('HDEL', values, key) == 1 then
    redis.call('DECRBY', bytes, size + #key)
    redis.call('HDEL', metas, key)
    redis.call('ZREM', order, key)
    redis.call('ZREM', expiries, key)
    return true
  end
end

local channel, most_entries, most_bytes = argument(), tonumber(argument()), tonumber(argument())
for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, argument())) do
  forget(key)
  redis.call('PUBLISH', channel, key)
end

local writes, touched = {}, {}
-- Value, version, expiry; nothing for a key that is absent.
local function live(key)
  local write = writes[key]
  if write ~= nil then
    if write then return write.value, nil, write.expires end
    return nil
  end
  local meta = redis.call('HGET', metas, key)
  if not meta then return nil end
  local version, expires = string.match(meta, '^(%d+):(%d*)$')
  if expires ~= '' and tonumber(expires) <= now then return nil end
  return redis.call('HGET', values, key), version, expires
end
local function write(key, what)
  if writes[key] == nil then touched[#touched + 1] = key end
  writes[key] = what
end
local function expiry(ttl)
  if ttl == '' then return '' end
  return string.format('%.0f', now + tonumber(ttl))
end

for _ = 1, tonumber(argument()) do
  local key, condition, wanted = argument(), argument(), argument()
  local value, version = live(key)
  if condition == 'absent' and value or condition ~= 'absent' and condition ~= 'always' and not value
    or condition == 'version' and version ~= wanted then
    return false
  end
end

local answer = {''}
for _ = 1, tonumber(argument()) do
  local kind, key, value, ttl, initial = argument(), argument(), argument(), argument(), argument()
  if kind == 'put' then
    write(key, {value = value, expires = expiry(ttl)})
  elseif kind == 'delete' then
    write(key, false)
  else
    local current, _, expires = live(key)
    redis.call('SET', scratch, current or initial)
    -- Redis adds 64-bit numbers; Lua has none.
    if type(redis.pcall('INCRBY', scratch, 0)) == 'table' then
      redis.call('DEL', scratch)
      return redis.error_reply('NOTANUMBER ' .. key)
    end
    if type(redis.pcall('INCRBY', scratch, value)) == 'table' then
      redis.call('DEL', scratch)
      return redis.error_reply('OUTOFRANGE ' .. key)
    end
    local sum = redis.call('GET', scratch)
    redis.call('DEL', scratch)
    answer[#answer + 1] = sum
    write(key, {value = sum, expires = current and expires or expiry(ttl)})
  end
end
if #touched == 0 then return answer end

local entries_before = redis.call('HLEN', values)
local bytes_before = tonumber(redis.call('GET', bytes) or '0')
local entries_after, bytes_after = entries_before, bytes_before
for _, key in ipairs(touched) do
  if redis.call('HEXISTS', values, key) == 1 then
    entries_after = entries_after - 1
    bytes_after = bytes_after - redis.call('HSTRLEN', values, key) - #key
  end
  if writes[key] then
    entries_after = entries_after + 1
    bytes_after = bytes_after + #writes[key].value + #key
  end
end
if entries_after > most_entries and entries_after > entries_before then
  return redis.error_reply('FULLENTRIES ' .. string.format('%.0f', most_entries))
end
if bytes_after > most_bytes and bytes_after > bytes_before then
  return redis.error_reply('FULLBYTES ' .. string.format('%.0f', most_bytes))
end

if entries_after < entries_before then
  -- A write that Redis takes even when it is out of memory: after it, it takes the others.
  redis.call('HDEL', scratch, '')
end
local version = string.format('%.0f', redis.call('INCR', counter))
answer[1] = version
for _, key in ipairs(touched) do
  local what = writes[key]
  if what then
    local fresh = redis.call('HSET', values, key, what.value) == 1
    redis.call('HSET', metas, key, version .. ':' .. what.expires)
    if fresh then redis.call('ZADD', order, 0, key) end
    if what.expires == '' then
      redis.call('ZREM', expiries, key)
    else
      redis.call('ZADD', expiries, what.expires, key)
    end
  else
    forget(key)
  end
  redis.call('PUBLISH', channel, key)
end
-- After the writes: `forget` has counted what it took away.
redis.call('SET', bytes, string.format('%.0f', bytes_after))
return answer
