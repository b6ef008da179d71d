#!lua flags=allow-oom
-- Ends this process's hold on one job, and says what became of it.
--
-- KEYS  1 batch  2 index  3 where the job goes: 'retry', 'schedule' or 'dead'  4, 5 'stat:processed' and of the day
--       6, 7 'stat:failed' and of the day
-- ARGV  1 batch id  2 position in the batch, counted back from its end  3 tombstone
--       4 what becomes of it: 'done', 'retry', 'later', 'dead', 'discarded', or 'bad' (no job: dead as it is, and not counted)
--       5 score  6 payload  7 scores of the dead up to this one are too old  8 how many dead to keep  9 seconds to keep a
--       day's counters
-- Returns -1 if the job is not this process's any more, else how many old jobs had to leave the dead set.
--
-- Atomic because a job in two places would run twice, one in none would be lost, and counters must be exact. What may be
-- refused (a key of the wrong type) comes first, so that a refusal changes nothing. That the process still owns the batch
-- is the fence: whoever was taken over finds it gone.
local job = redis.call('LINDEX', KEYS[1], ARGV[2])
if not job or job == ARGV[3] then
  return -1
end
local kind = ARGV[4]
local trimmed = 0
if kind == 'retry' or kind == 'later' then
  redis.call('ZADD', KEYS[3], ARGV[5], ARGV[6])
elseif kind == 'dead' or kind == 'bad' then
  redis.call('ZADD', KEYS[3], ARGV[5], kind == 'dead' and ARGV[6] or job)
  trimmed = redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[7])
  trimmed = trimmed + redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -(tonumber(ARGV[8]) + 1))
end
redis.call('LSET', KEYS[1], ARGV[2], ARGV[3])
local left = redis.call('HINCRBY', KEYS[2], ARGV[1] .. '/left', -1)
-- Below zero the index was removed by hand, and the batch may well hold other jobs.
if left == 0 then
  redis.call('DEL', KEYS[1])
end
if left <= 0 then
  redis.call('HDEL', KEYS[2], ARGV[1], ARGV[1] .. '/left')
end
local function count(total, day)
  -- A counter that somebody made a text must not keep jobs from ending.
  redis.pcall('INCR', total)
  if redis.pcall('INCR', day) == 1 then
    redis.call('EXPIRE', day, ARGV[9])
  end
end
if kind ~= 'bad' then
  count(KEYS[4], KEYS[5])
  if kind ~= 'done' and kind ~= 'later' then
    count(KEYS[6], KEYS[7])
  end
end
return trimmed
