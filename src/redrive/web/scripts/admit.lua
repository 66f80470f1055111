--[[
Admit a login attempt, or say how long to wait. Atomic: attempts sent at once are counted one by
one before any of their passwords is checked, so a burst gets no more tries than a sequence.

KEYS     the hashes that count attempts: account, address; fields `attempts`, `blocked_until`
ARGV[1]  now, in milliseconds
ARGV[2]  attempts without delay
ARGV[3]  the longest delay, in milliseconds
ARGV[4]  milliseconds after which a count that has not moved is forgotten

Returns  0 when admitted (the attempt is counted on every key), else the milliseconds to wait
         (nothing is counted).
]]
local now = tonumber(ARGV[1])
local free = tonumber(ARGV[2])
local longest = tonumber(ARGV[3])

local wait = 0
for _, key in ipairs(KEYS) do
  local blocked_until = tonumber(redis.call('HGET', key, 'blocked_until') or '0')
  wait = math.max(wait, blocked_until - now)
end
if wait > 0 then
  return math.min(wait, longest)
end

for _, key in ipairs(KEYS) do
  local attempts = redis.call('HINCRBY', key, 'attempts', 1)
  if attempts >= free then
    local delay = math.min(longest, 1000 * 2 ^ math.min(attempts - free, 20))
    redis.call('HSET', key, 'blocked_until', string.format('%.0f', now + delay))
  end
  redis.call('PEXPIRE', key, ARGV[4])
end
return 0
