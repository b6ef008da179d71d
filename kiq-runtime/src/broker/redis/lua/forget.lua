#!lua flags=allow-oom
-- Forgets an owner that is gone and owns nothing any more.
--
-- KEYS  1 lease of the owner  2 its index  3 'kiq:owners'
-- ARGV  1 identity of the owner
-- Returns 1 if it is forgotten, 0 if it lives or still owns something.
--
-- Atomic because an owner that comes back to life between the look and the removal could fetch without being findable.
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('HLEN', KEYS[2]) > 0 then
  return 0
end
redis.call('SREM', KEYS[3], ARGV[1])
return 1
