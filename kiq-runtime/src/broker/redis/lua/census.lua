#!lua flags=no-writes
-- Counts all jobs.
--
-- KEYS  1 'queues'  2 'processes'  3 'kiq:owners'  4 'schedule'  5 'retry'  6 'dead'  7 'stat:processed'  8 'stat:failed'
-- ARGV  1, 2, 3 what the keys of queues, of indexes and of batches begin with
-- Returns how many are processed, failed (both texts), enqueued, in flight, scheduled, retried, dead, and how many processes
-- live.
--
-- Atomic because a job that moves meanwhile must be counted once: a program that stops when nothing is left must not miss
-- one on its way from the retries to a queue. The keys of queues and owners are themselves found in Redis, so they cannot be
-- declared. What is of another type than it should be counts as nothing.
local function list(key)
  local found = redis.pcall('SMEMBERS', key)
  return found.err and {} or found
end
local function number(...)
  local found = redis.pcall(...)
  return type(found) == 'number' and found or 0
end
local function counter(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and found or '0'
end

local enqueued, in_flight, processes = 0, 0, 0
for _, queue in ipairs(list(KEYS[1])) do
  enqueued = enqueued + number('LLEN', ARGV[1] .. queue)
end
-- Sidekiq's readers remove the names of processes that have no record, but only now and then.
for _, process in ipairs(list(KEYS[2])) do
  processes = processes + number('HEXISTS', process, 'info')
end
for _, owner in ipairs(list(KEYS[3])) do
  local index = redis.pcall('HGETALL', ARGV[2] .. owner)
  for i = 1, index.err and 0 or #index, 2 do
    local id = string.match(index[i], '^(.*)/left$')
    -- A batch that may be handed over is in the index before there is anything in it.
    if id and (string.sub(id, 1, 1) ~= 'k' or redis.call('EXISTS', ARGV[3] .. owner .. ':' .. id) == 1) then
      in_flight = in_flight + (tonumber(index[i + 1]) or 0)
    end
  end
end
return {
  counter(KEYS[7]), counter(KEYS[8]), enqueued, in_flight,
  number('ZCARD', KEYS[4]), number('ZCARD', KEYS[5]), number('ZCARD', KEYS[6]), processes,
}
