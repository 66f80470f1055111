--[[
  Moves finished jobs back to their queue, once. (After splice.lua and queue.lua.)

  KEYS 1 to 12  the queue's keys, see queue.lua
  KEYS[13]      the receipt of this call
  KEYS[14]      where the state before the move is kept, for takeback.lua; all calls for a batch add
                to it
  ARGV[1]       key prefix of the queue
  ARGV[2]       'move'; 'withhold' or 'decline': take the receipt and move nothing
  ARGV[3]       '1': take completed jobs too, and failed ones whatever their finish time (resync)
  ARGV[4]       re-scan key as JSON text, or ''
  ARGV[5]       its value as JSON text
  ARGV[6]       id of the operation, the first part of the stamp
  ARGV[7]       life of the receipt in seconds
  ARGV[8]       supported majors of the library, as ':5.:6.'
  ARGV[9]       '1': at the lowest priority, behind all live traffic
  ARGV[10]      packed (MessagePack), per job: id, finish time in ms of the occurrence to be moved,
                generation; one argument, because a server parses three thousand slowly

  Returns the receipt, '<server time in ms>:<letters>', one letter per job in order:
    R  moved to wait or prioritized
    L  live already: delayed, prioritized, waiting for children, active, waiting or paused
    B  taken for live: in no set, and the lists are too long to be searched
    S  failed again since: its finish time is another
    N  completed, and not asked for; or declined
    M  no such job
    E  the job's record, or that of its parent's children, is not what the library writes
    Q  the same of one of the queue's own keys
    V  the queue was made by a version of the library that this script is not bound to
    W  withheld
  Error REDRIVE_RECEIPT: the receipt's key holds something else; nothing was changed.

  Called again with the same receipt it changes nothing and returns what the first call did.
  Atomic: everything, the receipt included. A script is not rolled back when a command fails, so
  the first phase reads and decides, and the second consists of writes that cannot fail.

  The end state is that of the library's reprocessJob-9.lua (bullmq 3.4.4 for Python, 6.7 for
  Node.js) run per job with both counters reset; besides that the stall counter (stc) and a
  deferred failure (defa) go, the field `redrive` is set, and the re-scan key in the data. The
  scripts of bullmq 5 for Node.js would put prioritized jobs into wait; here they keep their rank.

  What the move takes from the jobs is kept for as long as the receipt (MessagePack, KEPT below),
  so that it can be taken back; nothing of it stays in the jobs.
]]
local receipt_key = KEYS[13]
local mode, take_finished, quoted_key, mark = ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5]
local low, jobs = ARGV[9] == '1', cmsgpack.unpack(ARGV[10])
-- Larger data is read again when the job is moved, so that a batch of it is never held as a whole.
local KEPT_DATA = 16384
-- The largest time that a calendar on the other side can hold: 9999-12-31.
local LAST_MILLIS = 253402300799999
-- Fields that a move takes from a job's record; the result is one more of them.
local TAKEN = { 'finishedOn', 'processedOn', 'atm', 'ats', 'stc', 'defa' }
-- A longer error is cut where it is kept; a job with a longer return value cannot be taken back.
local KEPT_RESULT = 4096

local function is_lifo(options)
  if not options or not string.find(options, '"lifo"', 1, true) then return false end
  local readable, decoded = pcall(cjson.decode, options)
  local lifo = readable and type(decoded) == 'table' and decoded.lifo
  return not (lifo == nil or lifo == false or lifo == cjson.null or lifo == 0 or lifo == '')
end

local function whole_millis(score)
  return math.max(0, math.min(LAST_MILLIS, math.floor(tonumber(score))))
end

-- Returns the set to take the job from ('' for an orphan), or nil and the letter that says why not.
local function origin_of(job_id, failed_score, expected)
  if failed_score then
    if take_finished or whole_millis(failed_score) == tonumber(expected) then return 'failed' end
    return nil, 'S'
  end
  if redis.call('ZSCORE', KEYS[COMPLETED], job_id) then
    if take_finished then return 'completed' end
    return nil, 'N'
  end
  local place = locate(job_id)
  if place == 'o' then return '' end
  return nil, place == 'b' and 'B' or 'L'
end

-- What the job ended with, false for nothing, nil for more than is kept.
local function kept_result(origin, reason, value)
  if origin == 'failed' then return reason and string.sub(reason, 1, KEPT_RESULT) end
  if value and #value > KEPT_RESULT then return nil end
  return value
end

-- Returns the move to make, or nil and the letter that says why there is none.
local function decide(index, failed_score)
  local job_id, expected = jobs[index], jobs[index + 1]
  local job_key = ARGV[1] .. job_id
  local job = redis.pcall('HMGET', job_key, 'finishedOn', 'priority', 'opts', 'parentKey', 'data',
    'redrivePriority', 'processedOn', 'atm', 'ats', 'stc', 'defa', 'redrive', 'failedReason',
    'returnvalue')
  if job.err then return nil, 'E' end
  local known = job[1] or job[3] or job[5]
  if not known and redis.call('EXISTS', job_key) == 0 then return nil, 'M' end
  local origin, letter = origin_of(job_id, failed_score, expected)
  if not origin then return nil, letter end
  local parent_key = job[4]
  if parent_key and redis.call('EXISTS', parent_key) == 0 then parent_key = false end
  if parent_key and not is_parent_intact(parent_key) then return nil, 'E' end
  local own = own_priority(job[2], job[6])
  local priority = low and LOWEST_PRIORITY or tonumber(own) or 0
  return {
    id = job_id,
    key = job_key,
    origin = origin,
    -- Text such as 'nan' is a number to Lua that no sorted set takes.
    priority = priority == priority and priority or 0,
    own = own,
    is_lowered = job[6] and true or false,
    lifo = is_lifo(job[3]),
    data = job[5] and #job[5] <= KEPT_DATA and job[5] or nil,
    parent_key = parent_key,
    stamp = ARGV[6] .. ':' .. jobs[index + 2],
    score = failed_score or origin == 'completed' and redis.call('ZSCORE', KEYS[COMPLETED], job_id),
    taken = { job[1], job[7], job[8], job[9], job[10], job[11] },
    stamp_before = job[12],
    result = kept_result(origin, job[13], job[14]),
  }
end

local function failed_scores()
  local scores = {}
  for first = 1, #jobs, 3 * CHUNK do
    local ids = {}
    for index = first, math.min(first + 3 * CHUNK - 1, #jobs), 3 do ids[#ids + 1] = jobs[index] end
    for _, score in ipairs(redis.call('ZMSCORE', KEYS[FAILED], unpack(ids))) do
      scores[#scores + 1] = score
    end
  end
  return scores
end

local function decide_all(letters)
  local moves, taken, scores = {}, {}, failed_scores()
  for number = 1, #scores do
    local index = 1 + 3 * (number - 1)
    local move, letter
    if taken[jobs[index]] then
      letter = 'L'
    else
      move, letter = decide(index, scores[number])
    end
    if move then
      moves[#moves + 1] = move
      taken[move.id] = true
    end
    letters[number] = letter or 'R'
  end
  return moves
end

local function is_paused_or_maxed()
  local attributes = redis.call('HMGET', KEYS[META], 'paused', 'concurrency')
  if attributes[1] then return true end
  local concurrency = tonumber(attributes[2])
  return concurrency and redis.call('LLEN', KEYS[ACTIVE]) >= concurrency
end

local function max_events()
  local set = redis.call('HGET', KEYS[META], 'opts.maxLenEvents')
  if not set then redis.call('HSET', KEYS[META], 'opts.maxLenEvents', 10000) end
  return set and string.find(set, '^%d+$') and #set < 16 and set or '10000'
end

local function in_chunks(values, write)
  for first = 1, #values, CHUNK do
    write(unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end

local function untie(parent_key, tie, read, remove, job_key)
  local value = redis.call(read, parent_key .. tie, job_key)
  return value and redis.call(remove, parent_key .. tie, job_key) == 1 and { tie, value }
end

local function return_to_parent(move)
  local parent_key = move.parent_key
  if move.origin == 'completed' then
    move.tie = untie(parent_key, ':processed', 'HGET', 'HDEL', move.key)
  else
    move.tie = untie(parent_key, ':unsuccessful', 'ZSCORE', 'ZREM', move.key)
      or untie(parent_key, ':failed', 'HGET', 'HDEL', move.key)
  end
  if move.tie then redis.call('SADD', parent_key .. ':dependencies', move.key) end
end

local RESULT_FIELDS = {
  failed = { 'failedReason' },
  completed = { 'returnvalue' },
  [''] = { 'failedReason', 'returnvalue' },
}

local function set_priority(move)
  if low then
    redis.call('HSET', move.key, 'priority', LOWEST_PRIORITY, 'redrivePriority', move.own or '')
  elseif move.is_lowered then
    redis.call('HDEL', move.key, 'redrivePriority', 'priority')
    if move.own then redis.call('HSET', move.key, 'priority', move.own) end
  end
end

local function reset_job(move)
  redis.call('HDEL', move.key, 'finishedOn', 'processedOn', 'atm', 'ats', 'stc', 'defa',
    unpack(RESULT_FIELDS[move.origin]))
  if low or move.is_lowered then set_priority(move) end
  local data = move.data or redis.call('HGET', move.key, 'data')
  local marked = data
  if data then marked, move.mark_before = splice(data, quoted_key, mark) end
  if marked ~= data then
    redis.call('HSET', move.key, 'redrive', move.stamp, 'data', marked)
  else
    redis.call('HSET', move.key, 'redrive', move.stamp)
  end
end

local function enqueue(moves)
  local heads, tails, ranked = {}, {}, {}
  for _, move in ipairs(moves) do
    if move.priority ~= 0 then
      ranked[#ranked + 1] = move
    elseif move.lifo then
      tails[#tails + 1] = move.id
    else
      heads[#heads + 1] = move.id
    end
  end
  local waiting = waiting_key()
  in_chunks(heads, function(...) redis.call('LPUSH', waiting, ...) end)
  in_chunks(tails, function(...) redis.call('RPUSH', waiting, ...) end)
  -- The scores of the lowest priority begin at 2^53, from where on only even ones can be told apart.
  local step = low and 2 or 1
  local counter = #ranked > 0 and redis.call('INCRBY', KEYS[PC], step * #ranked) - step * #ranked
  if counter and low and counter % 2 == 1 then counter = redis.call('INCR', KEYS[PC]) - step * #ranked end
  local scored = {}
  for number, move in ipairs(ranked) do
    scored[#scored + 1] = move.priority * 0x100000000 + (counter + step * number) % 0x100000000
    scored[#scored + 1] = move.id
  end
  in_chunks(scored, function(...) redis.call('ZADD', KEYS[PRIORITIZED], ...) end)
end

-- Per job: id, stamp before, set, score in it, TAKEN in its order, result, value of the re-scan key
-- before ('' for none), then which set of its parent's it was in and with what.
local function keep(moves)
  local kept = {}
  for _, move in ipairs(moves) do
    if move.origin ~= '' and move.result ~= nil then
      local tie = move.tie or {}
      kept[#kept + 1] = { move.id, move.stamp_before, move.origin, move.score, move.taken,
        move.result, move.mark_before or false, tie[1] or false, tie[2] or false }
    end
  end
  if not is_type(KEYS[14], 'string') then redis.call('DEL', KEYS[14]) end
  redis.call('APPEND', KEYS[14], cmsgpack.pack(kept))
  redis.call('EXPIRE', KEYS[14], ARGV[7])
end

local function hand_over(moves)
  local origins = { failed = {}, completed = {}, [''] = {} }
  for _, move in ipairs(moves) do table.insert(origins[move.origin], move.id) end
  in_chunks(origins.failed, function(...) redis.call('ZREM', KEYS[FAILED], ...) end)
  in_chunks(origins.completed, function(...) redis.call('ZREM', KEYS[COMPLETED], ...) end)
  for _, move in ipairs(moves) do
    reset_job(move)
    if move.parent_key then return_to_parent(move) end
  end
  enqueue(moves)
  for _, move in ipairs(moves) do
    redis.call('XADD', KEYS[EVENTS], '*', 'event', 'waiting', 'jobId', move.id,
      'prev', move.origin == 'completed' and 'completed' or 'failed')
  end
  redis.call('XTRIM', KEYS[EVENTS], 'MAXLEN', '~', max_events())
  if not is_paused_or_maxed() then redis.call('ZADD', KEYS[MARKER], 0, '0') end
  keep(moves)
end

if not is_type(receipt_key, 'string') then
  return redis.error_reply('REDRIVE_RECEIPT the key ' .. receipt_key .. ' holds something else')
end
local receipt = redis.call('GET', receipt_key)
if receipt then return receipt end

local count = #jobs / 3
local letters, moves = {}, {}
if mode == 'withhold' or mode == 'decline' then
  letters[1] = string.rep(mode == 'withhold' and 'W' or 'N', count)
elseif broken_key() or not is_counter(KEYS[PC]) then
  letters[1] = string.rep('Q', count)
elseif not is_supported(ARGV[8]) then
  letters[1] = string.rep('V', count)
else
  moves = decide_all(letters)
end
receipt = now_millis() .. ':' .. table.concat(letters)
if #moves > 0 then hand_over(moves) end
redis.call('SET', receipt_key, receipt, 'EX', ARGV[7])
return receipt
