#!lua flags=allow-oom
-- Puts what is unsettled of a whole batch back to the tail of its queue, the oldest job to run first.
--
-- KEYS  1 lease of the owner  2 index of the owner  3 batch  4 'queues'  5 the queue
-- ARGV  1 batch id  2 name of the queue  3 tombstone  4 '1': only if the owner's lease has run out
--       5 milliseconds after which nothing is handed over any more to one who is gone
--       6 the time in milliseconds, or '0' for the server's own
--       7.. what to put back instead, one for each of the last entries of the batch, '' for an entry as it is
-- Returns how many went back, or -1 if the owner lives.
--
-- Atomic because the owner may renew its lease, and others may reclaim the same batch, at any moment. Entries are counted
-- back from the end: a late owner may have trimmed settled ones off the head since they were read.
if ARGV[4] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then
  return -1
end
local id = ARGV[1]
local back = 0
local jobs = redis.call('LRANGE', KEYS[3], 0, -1)
if #jobs == 0 and string.sub(id, 1, 1) == 'k' and redis.call('HEXISTS', KEYS[2], id) == 1 then
  -- The server may still be told to hand a job over into this batch: by a process that was stopped, or over a connection
  -- that the server does not know to be broken. So the id stays until that cannot be any more.
  local now = tonumber(ARGV[6])
  if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  end
  local since = tonumber(redis.call('HGET', KEYS[2], id .. '/gone'))
  if not since then
    redis.call('HSET', KEYS[2], id .. '/gone', string.format('%d', now))
    return 0
  end
  if now - since < tonumber(ARGV[5]) then
    return 0
  end
end
local shift = #ARGV - #jobs
for i = #jobs, 1, -1 do
  if jobs[i] ~= ARGV[3] then
    local new = i + shift > 6 and ARGV[i + shift] or ''
    redis.call('RPUSH', KEYS[5], new ~= '' and new or jobs[i])
    back = back + 1
  end
end
if back > 0 then
  -- A list of queues that is no set must not keep the batch, or its jobs would come back again and again.
  redis.pcall('SADD', KEYS[4], ARGV[2])
end
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[2], id, id .. '/left', id .. '/gone')
return back
