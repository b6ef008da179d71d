#!lua flags=allow-oom
-- Removes everything there is in a place.
--
-- KEYS  1 the place: a queue, 'schedule', 'retry' or 'dead'  2 'queues'
-- ARGV  1 'list' or 'zset'  2 the name of the queue
-- Returns how many jobs there were.
--
-- Atomic because a job that is pushed between the count and the removal would vanish uncounted.
local count
if ARGV[1] == 'list' then
  count = redis.call('LLEN', KEYS[1])
  redis.call('SREM', KEYS[2], ARGV[2])
else
  count = redis.call('ZCARD', KEYS[1])
end
redis.call('UNLINK', KEYS[1])
return count
