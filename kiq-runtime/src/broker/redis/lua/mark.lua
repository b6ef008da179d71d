#!lua flags=allow-oom
-- Writes down that a suspect is about to run: other bytes for a job that this process holds.
--
-- KEYS  1 batch
-- ARGV  1 position in the batch, counted back from its end  2 tombstone  3 the new bytes
-- Returns 1, or 0 if the job is not this process's any more.
--
-- Atomic because a job that was taken over meanwhile must stay as it is.
local job = redis.call('LINDEX', KEYS[1], ARGV[1])
if not job or job == ARGV[2] then
  return 0
end
redis.call('LSET', KEYS[1], ARGV[1], ARGV[3])
return 1
