--[[
  What the other scripts know of a queue. Reads only.

  KEYS, the same in every script that includes this file:
    1 failed  2 completed  3 delayed  4 prioritized  5 waiting-children  6 active
    7 wait  8 paused  9 marker  10 events  11 meta  12 pc
  ARGV[1]  the queue's key prefix ('bull:name:'); a job's key is this and its id.

  Bound to BullMQ's key layout in bullmq 3.4 (Python), 6.7 and 5.81 (Node.js).
]]
local FAILED, COMPLETED, DELAYED, PRIORITIZED, WAITING_CHILDREN = 1, 2, 3, 4, 5
local ACTIVE, WAIT, PAUSED, MARKER, EVENTS, META, PC = 6, 7, 8, 9, 10, 11, 12

local TYPES = {
  'zset', 'zset', 'zset', 'zset', 'zset', 'list', 'list', 'list', 'zset', 'stream', 'hash', 'string'
}

-- An argument list for one command stays below the interpreter's stack.
local CHUNK = 5000

-- List elements that one call may still look at: a search in a list of a million waiting jobs,
-- done for each of a thousand jobs, would stop the server for minutes.
local search_budget = 500000

local function is_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  return found == wanted or found == 'none'
end

-- Returns the first key that holds something that the library would not have put there.
local function broken_key()
  for index, wanted in ipairs(TYPES) do
    if not is_type(KEYS[index], wanted) then return KEYS[index] end
  end
end

local function is_counter(key)
  local value = redis.call('GET', key)
  return not value or (string.find(value, '^%-?%d+$') and #value < 16)
end

-- Node.js leaves 'bullmq:6.7.0' or the like in the queue's settings, Python nothing.
local function is_supported(majors)
  local version = redis.call('HGET', KEYS[META], 'version')
  if not version then return true end
  local major = string.match(version, '^bullmq(:%d+%.)')
  return major and string.find(majors, major, 1, true) and true or false
end

--[[
  Up to major 5 a paused queue keeps its waiting jobs in `paused`; when it is resumed that list is
  renamed over `wait`, and jobs that were put there meanwhile would be lost. A queue without a
  version may be of that kind where it is paused and has such a list; newer versions take up what
  they find in it.
]]
local function waiting_key()
  local paused, version = unpack(redis.call('HMGET', KEYS[META], 'paused', 'version'))
  if not paused then return KEYS[WAIT] end
  local keeps_apart = version and string.find(version, '^bullmq:5%.')
  if not version then keeps_apart = redis.call('EXISTS', KEYS[PAUSED]) == 1 end
  return keeps_apart and KEYS[PAUSED] or KEYS[WAIT]
end

-- Returns true, false, or nil where the list is too long to be searched.
local function is_in_list(key, job_id)
  local length = redis.call('LLEN', key)
  if length == 0 then return false end
  if length > search_budget then return nil end
  search_budget = search_budget - length
  return redis.call('LPOS', key, job_id) and true or false
end

--[[
  Where a job is that exists and is neither in `failed` nor in `completed`: 'd'elayed,
  'p'rioritized, waiting for c'h'ildren, 'a'ctive, 'w'aiting, paused ('z'), 'b'eyond the search
  budget, or an 'o'rphan that no list or set knows. The library takes the finish time away from what
  it puts back into a list, but a hand that pushes an id does not: the lists are searched all the
  same, so that such a job is not queued a second time.
]]
local function locate(job_id)
  if redis.call('ZSCORE', KEYS[DELAYED], job_id) then return 'd' end
  if redis.call('ZSCORE', KEYS[PRIORITIZED], job_id) then return 'p' end
  if redis.call('ZSCORE', KEYS[WAITING_CHILDREN], job_id) then return 'h' end
  if redis.call('EXISTS', ARGV[1] .. job_id .. ':lock') == 1 then return 'a' end
  for _, list in ipairs({ { ACTIVE, 'a' }, { WAIT, 'w' }, { PAUSED, 'z' } }) do
    local found = is_in_list(KEYS[list[1]], job_id)
    if found == nil then return 'b' end
    if found then return list[2] end
  end
  return 'o'
end

local function is_parent_intact(parent_key)
  return is_type(parent_key .. ':unsuccessful', 'zset') and is_type(parent_key .. ':failed', 'hash')
    and is_type(parent_key .. ':processed', 'hash') and is_type(parent_key .. ':dependencies', 'set')
end

-- The last that a worker takes; the library's PRIORITY_LIMIT.
local LOWEST_PRIORITY = 0x200000

--[[
  A job's own priority as its record has it, or false: while it is moved at the lowest one, its own
  stands in the field `redrivePriority` ('' for none), so that its further attempts are behind live
  traffic too. Who gives it another one meanwhile has the last word.
]]
local function own_priority(stored, kept)
  if not kept or tonumber(stored) ~= LOWEST_PRIORITY then return stored end
  return kept ~= '' and kept
end

local function now_millis()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
