#!lua flags=allow-oom
-- Takes back some of what an operation did: puts its jobs where they were, as they were.
--
-- KEYS  1 what the operation kept (see relocate.lua)  2 the place its jobs were in  3 'queues'  4 'dead'  5 the operation's record
-- ARGV  1 'list' or 'zset'  2 how many jobs  3 what the key of a queue begins with  4 the name of the queue they were in
--       5 who  6 when, in microseconds
-- Returns how many came back, how many had gone on, how many are left; or the error of the place if it refused the first.
--
-- Atomic because a job must be either here or there, and because the second of two who take back must find nothing to do. It
-- is first put back and then removed: if the first is refused, it stays where it is and is kept.
local back, missed = 0, 0
for _ = 1, tonumber(ARGV[2]) do
  local job, score, kind, to, new = unpack(redis.call('LRANGE', KEYS[1], 0, 4))
  if not job then break end
  local is_there = true
  if kind == 'queue' then
    is_there = redis.call('LPOS', ARGV[3] .. to, new)
  elseif kind == 'dead' then
    is_there = redis.call('ZSCORE', KEYS[4], job)
  elseif kind == 'later' then
    is_there = redis.call('ZSCORE', KEYS[2], job) == to
  end
  if is_there then
    local put
    if ARGV[1] == 'list' then
      put = redis.pcall('RPUSH', KEYS[2], job)
    else
      put = redis.pcall('ZADD', KEYS[2], score, job)
    end
    if type(put) ~= 'number' then
      if back + missed == 0 then return put end
      break
    end
    if kind == 'queue' then
      redis.call('LREM', ARGV[3] .. to, 1, new)
    elseif kind == 'dead' then
      redis.call('ZREM', KEYS[4], job)
    end
    back = back + 1
  else
    missed = missed + 1
  end
  redis.call('LTRIM', KEYS[1], 5, -1)
end
if back > 0 and ARGV[1] == 'list' then redis.pcall('SADD', KEYS[3], ARGV[4]) end
if back + missed > 0 then
  redis.pcall('HINCRBY', KEYS[5], 'restored', back)
  redis.pcall('HINCRBY', KEYS[5], 'missed', missed)
  redis.pcall('HSETNX', KEYS[5], 'undone_by', ARGV[5])
  redis.pcall('HSETNX', KEYS[5], 'undone_at', ARGV[6])
end
return { back, missed, redis.call('LLEN', KEYS[1]) / 5 }
