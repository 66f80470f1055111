--[[
  Failed jobs with their records, a page or some named ones. Reads only, and all at one moment.

  KEYS[1]     failed
  ARGV[1]     key prefix of the queue
  ARGV[2]     how many jobs at most
  ARGV[3]     how many bytes at most, one job at least: fewer jobs may come back than asked for
  ARGV[4]     how many bytes of one job's data at most; larger data is left out
  ARGV[5]     'after': ARGV[6] is a finish time and ARGV[7] a job id, the page begins behind them
              ('' and '' for the beginning); 'named': ARGV[6...] are job ids
  The record's fields are in FIELDS below, in that order.

  Returns one list per job: id, finish time, bytes of the data, 'hash' | 'none' | 'other' (what
  lies under the job's key), the form of the stack trace ('json' | 'text'), and the fields.
  Named jobs that are not failed are left out.

  A page ends before the first job that finished later than now: a worker's clock is ahead. A
  cursor that followed it would pass by what others report meanwhile with the right time. The
  millisecond that has begun counts as now: the Python library rounds finish times, also up.

  The place behind (time, id) is found whether or not that job is still there, and among any
  number of jobs that finished in the same millisecond.

  Bound to bullmq 3.4 (Python), 6.7 and 5.81 (Node.js).
]]
local FIELDS = {
  'data', 'stacktrace', 'failedReason', 'name', 'opts', 'timestamp', 'processedOn', 'atm',
  'attemptsMade', 'redrive', 'parentKey', 'parent', 'rjk', 'priority', 'delay', 'deid', 'nrjid',
  'redrivePriority',
}
local DATA, STACK, REASON, OPTIONS = 1, 2, 3, 5
local LIMITS = { [REASON] = 16384, [OPTIONS] = 1048576 }
local FIELD_LIMIT = 65536
local STACK_LIMIT, STACK_HEAD, STACK_READ = 262144, 49152, 16777216

local failed_key, prefix = KEYS[1], ARGV[1]
local max_jobs, max_bytes, max_data = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

-- Lua compares strings by locale, a sorted set by bytes.
local function is_after(text, other)
  for index = 1, math.min(#text, #other) do
    local left, right = string.byte(text, index), string.byte(other, index)
    if left ~= right then return left > right end
  end
  return #text > #other
end

local function rank_after(score, job_id)
  if redis.call('ZSCORE', failed_key, job_id) == score then
    return redis.call('ZRANK', failed_key, job_id) + 1
  end
  local low = redis.call('ZCOUNT', failed_key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', failed_key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_after(redis.call('ZRANGE', failed_key, middle, middle)[1], job_id) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local function until_now(jobs)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.ceil(time[2] / 1000)
  local finished = {}
  for index = 1, #jobs, 2 do
    if tonumber(jobs[index + 1]) > now then break end
    finished[index], finished[index + 1] = jobs[index], jobs[index + 1]
  end
  return finished
end

-- Flat: id, score, id, score, …
local function chosen()
  if ARGV[5] == 'after' then
    local first = ARGV[6] == '' and 0 or rank_after(ARGV[6], ARGV[7])
    return until_now(redis.call('ZRANGE', failed_key, first, first + max_jobs - 1, 'WITHSCORES'))
  end
  local jobs = {}
  for index = 6, math.min(#ARGV, 5 + max_jobs) do
    local score = redis.call('ZSCORE', failed_key, ARGV[index])
    if score then
      jobs[#jobs + 1] = ARGV[index]
      jobs[#jobs + 1] = score
    end
  end
  return jobs
end

-- A stack trace of megabytes is cut here: its last trace, head and tail.
local function cut_stack(stack)
  if not stack or #stack <= STACK_LIMIT then return stack, 'json' end
  local text = stack
  if #stack <= STACK_READ then
    local readable, traces = pcall(cjson.decode, stack)
    local last = readable and type(traces) == 'table' and traces[#traces]
    if type(last) == 'string' then text = last end
  end
  if #text <= STACK_LIMIT then return text, 'text' end
  return string.sub(text, 1, STACK_HEAD) .. '\n…\n' .. string.sub(text, -STACK_HEAD), 'text'
end

local function record_of(job_id, score)
  local record = redis.pcall('HMGET', prefix .. job_id, unpack(FIELDS))
  if record.err then return { job_id, score, 0, 'other', 'json' } end
  local data_size = record[DATA] and #record[DATA] or 0
  if data_size > max_data then record[DATA] = false end
  local form
  record[STACK], form = cut_stack(record[STACK])
  if record[REASON] then record[REASON] = string.sub(record[REASON], 1, LIMITS[REASON]) end
  for index = REASON + 1, #FIELDS do
    if record[index] and #record[index] > (LIMITS[index] or FIELD_LIMIT) then record[index] = false end
  end
  local kind = redis.call('EXISTS', prefix .. job_id) == 1 and 'hash' or 'none'
  return { job_id, score, data_size, kind, form, unpack(record, 1, #FIELDS) }
end

if redis.call('TYPE', failed_key).ok ~= 'zset' then return {} end
local jobs, records, bytes = chosen(), {}, 0
for index = 1, #jobs, 2 do
  local record = record_of(jobs[index], jobs[index + 1])
  records[#records + 1] = record
  for field = 6, #record do bytes = bytes + (record[field] and #record[field] or 0) end
  if bytes > max_bytes then break end
end
return records
