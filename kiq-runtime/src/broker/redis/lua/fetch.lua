#!lua flags=allow-oom
-- Moves the oldest jobs of the first queues that have any into batches of this process.
--
-- KEYS  1 lease of the process   2 its index   3, 4 two new batches   5.. queues, in the order to ask them
-- ARGV  1 'sort' or 'copy'  2 how many jobs at most  3, 4 the ids of the batches  5.. the names of the queues
-- Returns a list of texts: 'batch', id, queue, number of jobs, for each batch; 'fault', queue, error, for a queue that is
-- no list. Or an error: LEASELOST, or the server's when nothing could be moved.
--
-- Atomic because between leaving the queue and being in the index a job would be nowhere. SORT copies the payloads inside
-- Redis, tail first; nothing passes through Lua. It overwrites its target, so an id that exists is refused. Where a user may
-- not SORT, the script copies them itself. Either way they leave the queue only when the copy is complete.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return redis.error_reply('LEASELOST the lease of this process has run out')
end
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then
  return redis.error_reply('BATCHEXISTS a batch of this id is there already')
end
local function copy(queue, batch, want)
  local jobs = redis.pcall('LRANGE', queue, -want, -1)
  if jobs.err then return jobs end
  -- The oldest is at the tail, and the first of its batch. By the thousand, because Lua's stack is bounded.
  for last = #jobs, 1, -1000 do
    local some = {}
    for i = last, math.max(last - 999, 1), -1 do
      some[#some + 1] = jobs[i]
    end
    local done = redis.pcall('RPUSH', batch, unpack(some))
    if type(done) ~= 'number' then
      redis.call('DEL', batch)
      return done
    end
  end
  return #jobs
end
local want = tonumber(ARGV[2])
local made = 0
local notes = {}
for i = 5, #KEYS do
  if want <= 0 or made == 2 then break end
  local queue = ARGV[i]
  local batch, id = KEYS[3 + made], ARGV[3 + made]
  -- First the length: of an empty queue it says so sooner, and SORT would also read a set, which LTRIM then refuses.
  local done = redis.pcall('LLEN', KEYS[i])
  if type(done) == 'number' and done > 0 then
    if ARGV[1] == 'sort' then
      done = redis.pcall('SORT', KEYS[i], 'BY', 'nosort', 'DESC', 'LIMIT', 0, want, 'STORE', batch)
    else
      done = copy(KEYS[i], batch, want)
    end
    if type(done) == 'number' then
      local trimmed = redis.pcall('LTRIM', KEYS[i], 0, -(done + 1))
      if trimmed.err then
        redis.call('DEL', batch)
        done = trimmed
      end
    end
  end
  if type(done) ~= 'number' then
    if string.sub(done.err, 1, 9) == 'WRONGTYPE' then
      notes[#notes + 1] = 'fault'
      notes[#notes + 1] = queue
      notes[#notes + 1] = done.err
    elseif made == 0 then
      return done
    else
      break
    end
  elseif done > 0 then
    redis.call('HSET', KEYS[2], id, queue, id .. '/left', done)
    notes[#notes + 1] = 'batch'
    notes[#notes + 1] = id
    notes[#notes + 1] = queue
    notes[#notes + 1] = tostring(done)
    want = want - done
    made = made + 1
  end
end
return notes
