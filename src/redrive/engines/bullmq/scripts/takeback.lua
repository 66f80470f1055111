--[[
  Takes jobs of a moved batch back to where they were, once. (After splice.lua and queue.lua.)

  KEYS 1 to 12  the queue's keys, see queue.lua
  KEYS[13]      the receipt of this call
  KEYS[14]      the jobs as they were before the move, as requeue.lua has kept them
  ARGV[1]       key prefix of the queue
  ARGV[2]       re-scan key as JSON text, or ''
  ARGV[3]       the value that the move has set, as JSON text
  ARGV[4]       id of the operation, the first part of the stamp
  ARGV[5]       life of the receipt in seconds
  ARGV[6]       supported majors of the library, as ':5.:6.'
  ARGV[7]       packed (MessagePack), per job: id, generation, and 1 for a job that the operation has
                created (it is removed again), else 0

  Returns the receipt, '<server time in ms>:<letters>', one letter per job in order:
    T  taken back: failed (or completed) as before the move, with the same finish time
    X  removed again
    A  a worker has taken it, or has had it
    S  moved or added by somebody else since: it does not carry the stamp of this move
    M  no such job
    K  left in its queue: what it was before is not kept (any more)
    P  left in its queue: its parent waits for it alone, or it is a child that was created anew
    B  left in its queue: the lists are too long to be searched
    O  left as it is: in none of its queue's lists
    E  the job's record is not what the library writes
    Q  one of the queue's own keys is not what the library writes
    V  the queue was made by a version of the library that this script is not bound to
  Error REDRIVE_RECEIPT as in requeue.lua.

  A job that nobody has started waits in `wait`, `paused`, `prioritized` or `delayed`. Lists are read
  once per call, from both ends: what was moved last lies near the one, LIFO jobs at the other.
  Nothing is told in the event stream: the job has not failed again, and nobody is to think so.

  Atomic: everything, the receipt included. As in requeue.lua the writes come last and cannot fail.

  Bound to bullmq 3.4 (Python), 6.7 and 5.81 (Node.js).
]]
local receipt_key = KEYS[13]
local quoted_key, mark, operation_id = ARGV[2], ARGV[3], ARGV[4]
local jobs = cmsgpack.unpack(ARGV[7])
-- List elements that one call may look at, some ten milliseconds.
local LIST_BUDGET = 50000
local TAKEN = { 'finishedOn', 'processedOn', 'atm', 'ats', 'stc', 'defa' }
local RESULT = { failed = 'failedReason', completed = 'returnvalue' }
local SETS = { failed = KEYS[FAILED], completed = KEYS[COMPLETED] }
-- What stands in a list for a job that is about to leave it.
local GONE = 'redrive:gone:' .. operation_id

local function kept_jobs()
  local text = is_type(KEYS[14], 'string') and redis.call('GET', KEYS[14])
  local kept = {}
  for _, call in ipairs(text and { cmsgpack.unpack(text) } or {}) do
    for _, job in ipairs(call) do kept[job[1]] = job end
  end
  return kept
end

local function was_started(job_key, finished_on, processed_on, started, made)
  return finished_on or processed_on or (tonumber(started) or 0) > 0 or (tonumber(made) or 0) > 0
    or redis.call('EXISTS', job_key .. ':lock') == 1
end

-- How many children of a parent this call takes away from its dependencies.
local leaving = {}

--[[
  A parent moves on when the last of its dependencies completes. Taken away like this, nobody would
  notice that it waits for nothing.
]]
local function strands_its_parent(job_key, parent_key, parent)
  if redis.call('EXISTS', parent_key) == 0 then return false end
  if not is_parent_intact(parent_key) then return true end
  if redis.call('SISMEMBER', parent_key .. ':dependencies', job_key) == 0 then return false end
  local readable, decoded = pcall(cjson.decode, parent or '')
  if not readable or type(decoded) ~= 'table' or not decoded.queueKey then return true end
  local waiting = tostring(decoded.queueKey) .. ':waiting-children'
  if not is_type(waiting, 'zset') then return true end
  local before = leaving[parent_key] or 0
  local left = redis.call('SCARD', parent_key .. ':dependencies') - before - 1
  if left == 0 and redis.call('ZSCORE', waiting, tostring(decoded.id)) then return true end
  leaving[parent_key] = before + 1
  return false
end

-- Returns what to do with a job, or nil and the letter that says why nothing.
local function decide(index, kept)
  local job_id, remove = jobs[index], jobs[index + 2] == 1
  local job_key = ARGV[1] .. job_id
  local job = redis.pcall('HMGET', job_key, 'redrive', 'finishedOn', 'processedOn', 'ats', 'atm',
    'parentKey', 'parent', 'priority', 'redrivePriority', 'deid')
  if job.err then return nil, 'E' end
  if not job[1] and redis.call('EXISTS', job_key) == 0 then return nil, 'M' end
  if job[1] ~= operation_id .. ':' .. jobs[index + 1] then return nil, 'S' end
  if was_started(job_key, job[2], job[3], job[4], job[5]) then return nil, 'A' end
  local before = kept[job_id]
  if remove then
    if job[6] then return nil, 'P' end
  elseif not before then
    return nil, 'K'
  elseif before[8] and strands_its_parent(job_key, job[6], job[7]) then
    return nil, 'P'
  end
  return {
    id = job_id,
    key = job_key,
    remove = remove,
    before = before,
    parent_key = job[6],
    priority = job[8],
    own = own_priority(job[8], job[9]),
    deduplication = job[10],
    set = redis.call('ZSCORE', KEYS[PRIORITIZED], job_id) and KEYS[PRIORITIZED]
      or redis.call('ZSCORE', KEYS[DELAYED], job_id) and KEYS[DELAYED],
  }
end

-- The parts of a list that may be looked at: all of it, or as much from either end.
local function windows(length)
  local parts, reach = {}, math.min(length, LIST_BUDGET)
  local head = length > reach and math.floor(reach / 2) or reach
  for first = 0, head - 1, CHUNK do parts[#parts + 1] = { first, math.min(first + CHUNK, head) - 1 } end
  for first = math.max(head, length - head), length - 1, CHUNK do
    parts[#parts + 1] = { first, math.min(first + CHUNK, length) - 1, is_tail = true }
  end
  LIST_BUDGET = LIST_BUDGET - reach
  return parts, length <= reach
end

-- Finds jobs in a list; returns whether it was read as far as was needed.
local function find_in(key, wanted, number)
  local parts, is_whole = windows(redis.call('LLEN', key))
  for _, part in ipairs(parts) do
    for offset, job_id in ipairs(redis.call('LRANGE', key, part[1], part[2])) do
      local move = wanted[job_id]
      if move and not move.list then
        move.list, move.position, move.is_tail = key, part[1] + offset - 1, part.is_tail
        number = number - 1
      end
    end
    if number == 0 then return true, 0 end
  end
  return is_whole, number
end

local function find_in_lists(moves)
  local wanted, number, is_whole = {}, 0, true
  for _, move in ipairs(moves) do
    if not move.set then
      wanted[move.id] = move
      number = number + 1
    end
  end
  for _, list in ipairs({ WAIT, PAUSED }) do
    if number > 0 then
      local read
      read, number = find_in(KEYS[list], wanted, number)
      is_whole = is_whole and read
    end
  end
  return is_whole
end

-- A removal by value would search a list once per job: the places are overwritten, then cleared.
local function take_out_of_lists(moves)
  local cleared = {}
  for _, move in ipairs(moves) do
    if move.list then
      redis.call('LSET', move.list, move.position, GONE)
      local ends = cleared[move.list] or { head = 0, tail = 0 }
      local side = move.is_tail and 'tail' or 'head'
      ends[side] = ends[side] + 1
      cleared[move.list] = ends
    end
  end
  for list, ends in pairs(cleared) do
    if ends.head > 0 then redis.call('LREM', list, ends.head, GONE) end
    if ends.tail > 0 then redis.call('LREM', list, -ends.tail, GONE) end
  end
end

local function remove(move)
  redis.call('DEL', move.key)
  local key = move.deduplication and ARGV[1] .. 'de:' .. move.deduplication
  if key and redis.pcall('GET', key) == move.id then redis.call('DEL', key) end
end

local function tie_to_parent(move)
  local tie, value = move.before[8], move.before[9]
  if not tie or redis.call('EXISTS', move.parent_key) == 0 then return end
  if redis.call('SREM', move.parent_key .. ':dependencies', move.key) == 0 then return end
  if tie == ':unsuccessful' then
    redis.call('ZADD', move.parent_key .. tie, value, move.key)
  else
    redis.call('HSET', move.parent_key .. tie, move.key, value)
  end
end

local function restore_fields(move)
  local before, set, unset = move.before, {}, { 'redrivePriority' }
  local function put(name, value)
    if value then
      set[#set + 1] = name
      set[#set + 1] = value
    else
      unset[#unset + 1] = name
    end
  end
  for number, name in ipairs(TAKEN) do put(name, before[5][number]) end
  put(RESULT[before[3]], before[6])
  put('redrive', before[2])
  if move.own ~= move.priority then put('priority', move.own) end
  local data = before[7] and redis.call('HGET', move.key, 'data')
  if data then put('data', unsplice(data, quoted_key, mark, before[7])) end
  redis.call('HDEL', move.key, unpack(unset))
  if #set > 0 then redis.call('HSET', move.key, unpack(set)) end
end

local function restore(move)
  restore_fields(move)
  redis.call('ZADD', SETS[move.before[3]], move.before[4], move.id)
  tie_to_parent(move)
end

local function take_back(moves)
  take_out_of_lists(moves)
  for _, move in ipairs(moves) do
    if move.set then redis.call('ZREM', move.set, move.id) end
    if move.remove then remove(move) else restore(move) end
  end
end

local function decide_all(letters)
  local candidates, kept, seen = {}, kept_jobs(), {}
  for index = 1, #jobs, 3 do
    local move, letter
    if seen[jobs[index]] then letter = 'S' else move, letter = decide(index, kept) end
    seen[jobs[index]] = true
    letters[#letters + 1] = letter or ''
    if move then
      move.number = #letters
      candidates[#candidates + 1] = move
    end
  end
  local is_whole, moves = find_in_lists(candidates), {}
  for _, move in ipairs(candidates) do
    if move.set or move.list then
      letters[move.number] = move.remove and 'X' or 'T'
      moves[#moves + 1] = move
    else
      letters[move.number] = is_whole and 'O' or 'B'
    end
  end
  return moves
end

if not is_type(receipt_key, 'string') then
  return redis.error_reply('REDRIVE_RECEIPT the key ' .. receipt_key .. ' holds something else')
end
local receipt = redis.call('GET', receipt_key)
if receipt then return receipt end

local letters, moves = {}, {}
if broken_key() then
  letters[1] = string.rep('Q', #jobs / 3)
elseif not is_supported(ARGV[6]) then
  letters[1] = string.rep('V', #jobs / 3)
else
  moves = decide_all(letters)
end
receipt = now_millis() .. ':' .. table.concat(letters)
if #moves > 0 then take_back(moves) end
redis.call('SET', receipt_key, receipt, 'EX', ARGV[5])
return receipt
