#!lua flags=allow-oom
-- Writes how far an operation is.
--
-- KEYS  1 the operation's record
-- ARGV  1 what its writer says of it  2 seconds to keep it
-- Returns 1, or 0 if somebody wants it stopped.
--
-- A script, so that it goes on where the memory is full; and atomic, because a record without a time to live would stay for ever.
redis.call('HSET', KEYS[1], 'record', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1 - redis.call('HEXISTS', KEYS[1], 'stop')
