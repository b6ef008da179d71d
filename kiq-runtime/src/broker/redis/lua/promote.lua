#!lua flags=allow-oom
-- Moves due jobs from a sorted set to the heads of their queues, and what is no job to the dead.
--
-- KEYS  1 the set  2 'queues'  3 'dead'  4.. queues
-- ARGV  1 score for the dead, then four for each entry: its bytes as found, 'queue' or 'dead', which of KEYS it goes to,
--       its new bytes; the name of a queue is what follows 'queue:' in its key
-- Returns how many were moved to queues, how many to the dead, and for each key that refused an entry its name and error.
--
-- Atomic because a job must be either in the set or in its queue; entries that another process moved meanwhile are passed
-- over. An entry whose queue is no list stays in the set, a minute later. Nothing may raise once an entry is at its new place: it would
-- stay at the old one, too, and multiply.
local moved, buried, faults = 0, 0, {}
for i = 2, #ARGV, 4 do
  local old, kind, key, new = ARGV[i], ARGV[i + 1], KEYS[tonumber(ARGV[i + 2])], ARGV[i + 3]
  if redis.call('ZSCORE', KEYS[1], old) then
    local done
    if kind == 'dead' then
      done = redis.pcall('ZADD', key, ARGV[1], old)
    else
      done = redis.pcall('LPUSH', key, new)
    end
    if type(done) ~= 'number' then
      faults[#faults + 1] = key
      faults[#faults + 1] = done.err
      -- A minute later, so that entries which can be moved do not wait behind it for ever.
      redis.call('ZADD', KEYS[1], tonumber(ARGV[1]) + 60, old)
    elseif kind == 'dead' then
      redis.call('ZREM', KEYS[1], old)
      buried = buried + 1
    else
      redis.call('ZREM', KEYS[1], old)
      redis.pcall('SADD', KEYS[2], string.sub(key, 7))
      moved = moved + 1
    end
  end
end
return { moved, buried, faults }
