-- The live entries of keys: value, version, expiry of each; false for one that is absent.
-- KEYS: values, metas. ARGV: most bytes, keys.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, left = {}, tonumber(ARGV[1])
for index = 2, #ARGV do
  local key = ARGV[index]
  local meta = redis.call('HGET', KEYS[2], key)
  local entry = false
  if meta then
    local version, expires = string.match(meta, '^(%d+):(%d*)$')
    if expires == '' or tonumber(expires) > now then
      left = left - redis.call('HSTRLEN', KEYS[1], key)
      if left < 0 then return redis.error_reply('TOOMANYBYTES together') end
      entry = {redis.call('HGET', KEYS[1], key), version, expires}
    end
  end
  found[index - 1] = entry
end
return found
