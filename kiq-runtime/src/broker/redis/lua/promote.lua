#!lua flags=allow-oom
-- Moves due jobs from a sorted set to the heads of their queues, and what is no job to the dead.
--
-- KEYS  1 the set  2 'queues'  3 'dead'  4.. queues
-- ARGV  1 score for the dead, then four for each entry: its bytes as found, 'queue' or 'dead', which of KEYS it goes to,
--       its new bytes; the name of a queue is what follows 'queue:' in its key
-- Returns how many were moved to queues, and how many to the dead.
--
-- Atomic because a job must be either in the set or in its queue; entries that another process moved meanwhile are passed
-- over. An entry whose queue is no list stays where it is.
local moved, buried = 0, 0
for i = 2, #ARGV, 4 do
  local old, kind, key, new = ARGV[i], ARGV[i + 1], KEYS[tonumber(ARGV[i + 2])], ARGV[i + 3]
  if redis.call('ZSCORE', KEYS[1], old) then
    if kind == 'dead' then
      redis.call('ZADD', key, ARGV[1], old)
      redis.call('ZREM', KEYS[1], old)
      buried = buried + 1
    elseif type(redis.pcall('LPUSH', key, new)) == 'number' then
      redis.call('SADD', KEYS[2], string.sub(key, 7))
      redis.call('ZREM', KEYS[1], old)
      moved = moved + 1
    end
  end
end
return { moved, buried }
