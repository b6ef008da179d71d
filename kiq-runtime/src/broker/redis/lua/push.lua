#!lua
-- Stores jobs of one queue, or for later, each under a guard: those whose guard is there are stored already.
--
-- KEYS  1 where they go: a queue, or 'schedule'  2 'queues'  3.. the guard of each job
-- ARGV  1 name of the queue, '' for the schedule
--       then for each job: its id, milliseconds of its guard, its score ('' in a queue), its payload
-- Returns for each job '' if it was stored now, or the id of the job that was stored under its guard before.
--
-- Atomic because between guard and job a crash would leave one of them: a job that is never stored, or one stored twice.
-- The guard comes first and is taken back by the same command, so that a user who lacks a right is refused with nothing
-- changed. One that is there is written again as it is: WAIT behind this script then waits for it, too.
local before = {}
local queue = ARGV[1]
for i = 3, #KEYS do
  local a = 4 * (i - 3) + 2
  local jid, ttl, score, payload = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local found = redis.call('GET', KEYS[i])
  if found and found ~= '' then
    redis.call('SET', KEYS[i], found, 'KEEPTTL')
    before[i - 2] = found
  else
    redis.call('SET', KEYS[i], jid, 'PX', ttl)
    local done
    if queue == '' then
      done = redis.pcall('ZADD', KEYS[1], score, payload)
    else
      done = redis.pcall('LPUSH', KEYS[1], payload)
    end
    if type(done) ~= 'number' then
      redis.call('SET', KEYS[i], '', 'PX', 1)
      return done
    end
    before[i - 2] = ''
  end
end
if queue ~= '' then
  -- A queue that cannot be listed still has its jobs; the next push lists it.
  redis.pcall('SADD', KEYS[2], queue)
end
return before
