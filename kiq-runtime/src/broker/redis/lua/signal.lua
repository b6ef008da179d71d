#!lua flags=allow-oom
-- Leaves a signal for a process.
--
-- KEYS  1 its record  2 its signals
-- ARGV  1 the signal  2 seconds until it is out of date
-- Returns 1, or 0 if there is no such process.
--
-- Atomic because a list without a time to live, for a process that has just ended, would stay for ever.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
