--[[
  Where each of some jobs is. Reads only, and all at one moment. (After queue.lua.)

  KEYS 1 to 12  the queue's keys, see queue.lua
  ARGV[1]       key prefix of the queue
  ARGV[2...]    job ids

  Returns one text per id, in order: a letter, and the finish time in ms for f and c.
    f failed  c completed  m missing  o known to no list or set, or not to be told
    d delayed  p prioritized  h waiting for children  a active  w waiting  z paused
    b beyond the search budget: it exists and is in no set, so it is waiting
  The common case, still failed, costs one lookup in one command for all.

  Bound to bullmq 3.4 (Python), 6.7 and 5.81 (Node.js).
]]
local function status_of(job_id, failed_score)
  if failed_score then return 'f' .. failed_score end
  local completed_score = redis.call('ZSCORE', KEYS[COMPLETED], job_id)
  if completed_score then return 'c' .. completed_score end
  local kind = redis.call('TYPE', ARGV[1] .. job_id).ok
  if kind == 'none' then return 'm' end
  return kind == 'hash' and locate(job_id) or 'o'
end

local places = {}
local broken = broken_key()
for first = 2, #ARGV, CHUNK do
  local last = math.min(first + CHUNK - 1, #ARGV)
  local scores = broken and {} or redis.call('ZMSCORE', KEYS[FAILED], unpack(ARGV, first, last))
  for index = first, last do
    places[index - 1] = broken and 'o' or status_of(ARGV[index], scores[index - first + 1])
  end
end
return places
