#!lua flags=allow-oom
-- Puts jobs of one batch back to the tail of their queue, where the next ones are taken.
--
-- KEYS  1 batch  2 index  3 'queues'  4 the queue
-- ARGV  1 batch id  2 name of the queue  3 tombstone  4.. positions in the batch, counted back from its end, the
--       newest job first
-- Returns how many went back; those settled or taken over meanwhile do not.
--
-- Atomic because a job must be either in its batch or in its queue. The exact bytes go back.
local back = 0
for i = 4, #ARGV do
  local job = redis.call('LINDEX', KEYS[1], ARGV[i])
  if job and job ~= ARGV[3] then
    redis.call('RPUSH', KEYS[4], job)
    redis.call('LSET', KEYS[1], ARGV[i], ARGV[3])
    back = back + 1
  end
end
if back > 0 then
  -- A list of queues that is no set must not undo what is done.
  redis.pcall('SADD', KEYS[3], ARGV[2])
  local left = redis.call('HINCRBY', KEYS[2], ARGV[1] .. '/left', -back)
  -- Below zero the index was removed by hand, and the batch may well hold other jobs.
  if left == 0 then
    redis.call('DEL', KEYS[1])
  end
  if left <= 0 then
    redis.call('HDEL', KEYS[2], ARGV[1], ARGV[1] .. '/left')
  end
end
return back
