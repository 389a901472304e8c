-- Live entries in order: key, value, version, expiry of each.
-- KEYS: values, metas, order. ARGV: from, to (as in ZRANGEBYLEX), reverse, keys only, most entries, most bytes.
local values, metas, order = unpack(KEYS)
local from, to, reverse, keys_only = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4] == '1'
local most, left = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, count = {}, 0
while true do
  local keys
  if reverse then
    keys = redis.call('ZREVRANGEBYLEX', order, to, from, 'LIMIT', 0, most)
  else
    keys = redis.call('ZRANGEBYLEX', order, from, to, 'LIMIT', 0, most)
  end
  for _, key in ipairs(keys) do
    local version, expires = string.match(redis.call('HGET', metas, key), '^(%d+):(%d*)$')
    if expires == '' or tonumber(expires) > now then
      local value = ''
      if not keys_only then value = redis.call('HGET', values, key) end
      found[#found + 1] = key
      found[#found + 1] = value
      found[#found + 1] = version
      found[#found + 1] = expires
      count = count + 1
      left = left - #key - #value
      if count == most or left <= 0 then return found end
    end
  end
  if #keys < most then return found end
  -- Expired ones stood between: go on behind them.
  if reverse then to = '(' .. keys[#keys] else from = '(' .. keys[#keys] end
end
