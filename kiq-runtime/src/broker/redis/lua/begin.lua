#!lua flags=allow-oom
-- Writes a new operation into the log.
--
-- KEYS  1 'kiq:ops'  2 the operation's record
-- ARGV  1 its id  2 when it began, in microseconds  3 what its writer says of it  4 seconds to keep it  5 how many to keep
-- Returns 1, or 0 if there is one of that id.
--
-- Atomic because a form that is sent twice must begin one operation, and because a record without a time to live would stay
-- for ever. A script, so that jobs can be deleted where the memory is full.
if redis.call('HSETNX', KEYS[2], 'record', ARGV[3]) == 0 then
  return 0
end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -(tonumber(ARGV[5]) + 1))
return 1
