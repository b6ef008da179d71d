#!lua flags=allow-oom
-- Takes a process without a lease off the record, and forgets it as an owner when it owns nothing any more.
--
-- KEYS  1 lease of the owner  2 its index  3 'kiq:owners'  4 'processes'  5 its record  6 what it was doing
-- ARGV  1 identity of the owner
-- Returns 1 if it is forgotten, 0 if it lives, still owns something, or may yet be handed something over.
--
-- Atomic because an owner that comes back to life between the look and the removal could fetch without being findable. Its
-- next heartbeat would write everything again.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('UNLINK', KEYS[5], KEYS[6])
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  -- What has a slash is not a batch, but about one, or about the last acknowledgement.
  if not string.find(field, '/', 1, true) then
    return 0
  end
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
return 1
