#!lua flags=allow-oom
-- Forgets an owner that is gone and owns nothing any more, and its record as a process.
--
-- KEYS  1 lease of the owner  2 its index  3 'kiq:owners'  4 'processes'  5 its record  6 what it was doing
-- ARGV  1 identity of the owner
-- Returns 1 if it is forgotten, 0 if it lives or still owns something.
--
-- Atomic because an owner that comes back to life between the look and the removal could fetch without being findable. Its
-- next heartbeat would write everything again.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
-- The number of the last acknowledgement is nothing owned.
redis.call('HDEL', KEYS[2], '/acked')
if redis.call('HLEN', KEYS[2]) > 0 then
  return 0
end
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('UNLINK', KEYS[5], KEYS[6])
return 1
