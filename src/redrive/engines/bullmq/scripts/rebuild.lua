--[[
  Creates a job that the queue has forgotten, once. (After splice.lua, queue.lua and a function
  library_add(KEYS, ARGV) whose body is the library's own addStandardJob-9.lua or
  addPrioritizedJob-9.lua.)

  KEYS 1 to 12  the queue's keys, see queue.lua
  KEYS[13]      the receipt of this job
  KEYS[14]      the queue's id counter
  ARGV[1]       key prefix of the queue
  ARGV[2]       job id
  ARGV[3]       'standard' or 'prioritized': which of the library's scripts library_add is
  ARGV[4]       re-scan key as JSON text, or ''
  ARGV[5]       its value as JSON text
  ARGV[6]       the stamp
  ARGV[7]       life of the receipt in seconds
  ARGV[8]       the job's data as text
  ARGV[9]       its options as text, kept byte for byte
  ARGV[10]      its options, msgpacked, without a delay
  ARGV[11]      the library's arguments, msgpacked, without a parent
  ARGV[12]      the same with the parent, or ''
  ARGV[13]      the parent's key, or ''
  ARGV[14]      the parent's record as text
  ARGV[15]      'waiting-children' of the parent's queue
  ARGV[16]      the parent's id
  ARGV[17]      the deduplication key, or ''
  ARGV[18]      supported majors of the library, as ':5.:6.'
  ARGV[19]      '1': at the lowest priority; ARGV[10] and 'prioritized' say so too
  ARGV[20]      the job's own priority then, or ''

  Returns the receipt, '<server time in ms>:<letter>':
    C  created
    L  not created: its deduplication key belongs to another job that is still there
    E  the library's script refused it, or its parent's keys are not what the library writes
    V  the queue was made by a version of the library that this script is not bound to
    Q  one of the queue's own keys is not what the library writes
  or '' where the job exists: nothing was changed, no receipt taken.
  Error REDRIVE_RECEIPT as in requeue.lua.

  The parent gets its child back only while it waits for children or counts this one as failed,
  as after a retry; to any other parent a new dependency would mean that it never completes.
  Atomic: everything, the receipt included.

  Bound to bullmq 3.4 (Python), 6.7 and 5.81 (Node.js).
]]
local ID = 14
local job_id, receipt_key = ARGV[2], KEYS[13]
local job_key = ARGV[1] .. job_id
local parent_key = ARGV[13]

local function held_by_another()
  if ARGV[17] == '' then return false end
  local holder = redis.pcall('GET', ARGV[17])
  return type(holder) == 'string' and holder ~= job_id
    and redis.call('EXISTS', ARGV[1] .. holder) == 1
end

local function is_parent_there()
  return parent_key ~= '' and redis.call('EXISTS', parent_key) == 1
end

local function is_awaited()
  if not is_parent_there() then return false end
  local unsuccessful = redis.call('ZREM', parent_key .. ':unsuccessful', job_key) == 1
  local failed = redis.call('HDEL', parent_key .. ':failed', job_key) == 1
  local waiting = is_type(ARGV[15], 'zset') and redis.call('ZSCORE', ARGV[15], ARGV[16])
  return unsuccessful or failed or (waiting and true or false)
end

local function add(packed)
  local keys = { waiting_key(), KEYS[PAUSED], KEYS[META], KEYS[ID], KEYS[COMPLETED], KEYS[DELAYED],
    KEYS[ACTIVE], KEYS[EVENTS], KEYS[MARKER] }
  if ARGV[3] == 'prioritized' then
    keys = { KEYS[MARKER], KEYS[META], KEYS[ID], KEYS[PRIORITIZED], KEYS[DELAYED], KEYS[COMPLETED],
      KEYS[ACTIVE], KEYS[EVENTS], KEYS[PC] }
  end
  return pcall(library_add, keys, { packed, splice(ARGV[8], ARGV[4], ARGV[5]), ARGV[10] })
end

local function create()
  if broken_key() or not is_type(KEYS[ID], 'string') then return 'Q' end
  if not is_counter(KEYS[ID]) or not is_counter(KEYS[PC]) then return 'Q' end
  if not is_supported(ARGV[18]) then return 'V' end
  if is_parent_there() and not is_parent_intact(parent_key) then return 'E' end
  if held_by_another() then return 'L' end
  redis.call('ZREM', KEYS[FAILED], job_id)
  redis.call('ZREM', KEYS[COMPLETED], job_id)
  -- A deduplication key that lives on after its job would make the library drop this one.
  if ARGV[17] ~= '' then redis.call('DEL', ARGV[17]) end
  local tied, low = is_awaited(), ARGV[19] == '1'
  -- At the lowest priority only even places can be told apart; the library takes the next one.
  if low and (tonumber(redis.call('GET', KEYS[PC])) or 0) % 2 == 0 then redis.call('INCR', KEYS[PC]) end
  local accepted = add(tied and ARGV[12] or ARGV[11])
  if not accepted or redis.call('EXISTS', job_key) == 0 then return 'E' end
  redis.call('HSET', job_key, 'opts', ARGV[9], 'redrive', ARGV[6])
  if tied then redis.call('HSET', job_key, 'parent', ARGV[14]) end
  if low then redis.call('HSET', job_key, 'redrivePriority', ARGV[20]) end
  return 'C'
end

if not is_type(receipt_key, 'string') then
  return redis.error_reply('REDRIVE_RECEIPT the key ' .. receipt_key .. ' holds something else')
end
local receipt = redis.call('GET', receipt_key)
if receipt then return receipt end
if redis.call('EXISTS', job_key) == 1 then return '' end
receipt = now_millis() .. ':' .. create()
redis.call('SET', receipt_key, receipt, 'EX', ARGV[7])
return receipt
