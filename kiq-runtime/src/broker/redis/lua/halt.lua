#!lua flags=allow-oom
-- Has an operation stop.
--
-- KEYS  1 the operation's record
-- Returns 1, or 0 if there is no such operation.
--
-- Atomic because a record that has left the store meanwhile must not come back as nothing but a wish.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'stop', '1')
return 1
