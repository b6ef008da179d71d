#!lua flags=allow-oom
-- Ends this process's hold on jobs that succeeded, of any number of its batches.
--
-- KEYS  1 index  2, 3 'stat:processed' and of the day  4.. batches
-- ARGV  1 number of this acknowledgement  2 tombstone  3 seconds to keep a day's counter
--       then for each batch: its id, how many jobs are acknowledged, how many entries the batch keeps (all before them are
--       settled), how many positions follow, and these: jobs to settle among those kept, counted back from the end (-1 is
--       the last), so that they stay the same while the head is trimmed
-- Returns for each batch 1, or 0 if it is not this process's any more; or 'again' if this number was carried out before.
--
-- Atomic because counters must be exact, and a batch that is gone must leave the index with it. A repetition (its answer was
-- lost) is told by its number: without it, the second would count again.
if redis.call('HGET', KEYS[1], '/acked') == ARGV[1] then
  return 'again'
end
local held, total, at = {}, 0, 4
for i = 4, #KEYS do
  local id, jobs, keep, positions = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 4
  if redis.call('EXISTS', KEYS[i]) == 1 then
    held[#held + 1] = 1
    total = total + jobs
    if keep == 0 then
      redis.call('DEL', KEYS[i])
      redis.call('HDEL', KEYS[1], id, id .. '/left')
    else
      redis.call('LTRIM', KEYS[i], -keep, -1)
      for p = at, at + positions - 1 do
        -- Refused where somebody shortened the list by hand.
        redis.pcall('LSET', KEYS[i], ARGV[p], ARGV[2])
      end
      local left = redis.call('HINCRBY', KEYS[1], id .. '/left', -jobs)
      -- What is kept was settled by itself, and the process did not know that yet. Below zero the index was removed by
      -- hand, and the batch may well hold other jobs.
      if left == 0 then
        redis.call('DEL', KEYS[i])
      end
      if left <= 0 then
        redis.call('HDEL', KEYS[1], id, id .. '/left')
      end
    end
  else
    held[#held + 1] = 0
  end
  at = at + positions
end
if total > 0 then
  redis.call('HSET', KEYS[1], '/acked', ARGV[1])
  -- A counter that somebody made a text must not keep jobs from ending.
  redis.pcall('INCRBY', KEYS[2], total)
  if redis.pcall('INCRBY', KEYS[3], total) == total then
    redis.call('EXPIRE', KEYS[3], ARGV[3])
  end
end
return held
