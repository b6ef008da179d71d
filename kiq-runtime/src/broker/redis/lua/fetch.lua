#!lua flags=allow-oom
-- Moves the oldest jobs of the first queues that have any into batches of this process.
--
-- KEYS  1 lease of the process   2 its index   3, 4 two new batches   5.. queues, in the order to ask them
-- ARGV  1 how many jobs at most  2, 3 the ids of the batches          4.. the names of the queues
-- Returns a list of texts: 'batch', id, queue, number of jobs, for each batch; 'fault', queue, error, for a queue that is
-- no list. Or the error LEASELOST.
--
-- Atomic because between leaving the queue and being in the index a job would be nowhere. SORT copies the payloads inside
-- Redis, tail first; nothing passes through Lua. It overwrites its target, so an id that exists is refused.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.error_reply('LEASELOST the lease of this process has run out')
end
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then
  return redis.error_reply('BATCHEXISTS a batch of this id is there already')
end
local want = tonumber(ARGV[1])
local made = 0
local notes = {}
for i = 5, #KEYS do
  if want <= 0 or made == 2 then break end
  local queue = ARGV[i - 1]
  local batch, id = KEYS[3 + made], ARGV[2 + made]
  local moved = redis.pcall('SORT', KEYS[i], 'BY', 'nosort', 'DESC', 'LIMIT', 0, want, 'STORE', batch)
  if type(moved) ~= 'number' then
    notes[#notes + 1] = 'fault'
    notes[#notes + 1] = queue
    notes[#notes + 1] = moved.err
  elseif moved > 0 then
    redis.call('LTRIM', KEYS[i], 0, -(moved + 1))
    redis.call('HSET', KEYS[2], id, queue, id .. '/left', moved)
    notes[#notes + 1] = 'batch'
    notes[#notes + 1] = id
    notes[#notes + 1] = queue
    notes[#notes + 1] = tostring(moved)
    want = want - moved
    made = made + 1
  end
end
return notes
