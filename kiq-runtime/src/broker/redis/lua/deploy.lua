#!lua
-- Notes that a new version of the application runs.
--
-- KEYS  1 lock of this label  2 marks of the day
-- ARGV  1 the minute, as 2026-11-23T16:47:00Z  2 label  3 seconds of the lock  4 seconds to keep a day's marks
-- Returns 1, or 0 if it was noted a moment ago.
--
-- Atomic because every process of a deploy tells of it: the first wins, and a lock without its mark would lose the mark.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[3]) then
  return 0
end
local new = redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return new
