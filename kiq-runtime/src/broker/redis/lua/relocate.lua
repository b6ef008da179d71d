#!lua flags=allow-oom
-- Takes jobs out of a place, and puts each where an operator wants it.
--
-- KEYS  1 the place: a queue, 'schedule', 'retry' or 'dead'  2 'queues'  3 'dead'  4 the operation's record  5 what it keeps to
--       be taken back: five elements a job, its bytes, its score, the next two of ARGV and its new bytes  6.. queues that
--       jobs go to
-- ARGV  1 'list' or 'zset'  2 scores of the dead up to this one are too old  3 how many dead to keep
--       4 seconds to keep what can be taken back, 0 to keep nothing, or the empty text if it is no part of an operation
--       then four for each job: its bytes as found, 'nothing', 'queue', 'next', 'dead' or 'later', which of KEYS it goes to or
--       its score, its new bytes; the name of a queue is what follows 'queue:' in its key
-- Returns for each job 1 if it was there and is moved, 0 if not; or the error of the key that refused the first.
--
-- Atomic because a job must be either here or there, and because the second of two operators must find nothing to do. It is
-- first put where it goes and then removed: if the first is refused, it stays, and so do those behind it. What can be taken
-- back and what is counted is written in the same step, so that a crash leaves no job away without a word.
local seconds = tonumber(ARGV[4]) or 0
local function holds(job)
  if ARGV[1] == 'list' then
    return redis.call('LPOS', KEYS[1], job) and ''
  end
  return redis.call('ZSCORE', KEYS[1], job)
end
local function remove(job)
  if ARGV[1] == 'list' then
    redis.call('LREM', KEYS[1], 1, job)
  else
    redis.call('ZREM', KEYS[1], job)
  end
end
if seconds > 0 then
  -- A key of the wrong type must not take the jobs with it.
  local kept = redis.pcall('LLEN', KEYS[5])
  if type(kept) ~= 'number' then return kept end
end
local moved, done, gone = {}, 0, 0
for i = 5, #ARGV, 4 do
  local job, kind, to, new = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local score = holds(job)
  local is_moved = score and (kind ~= 'later' or ARGV[1] == 'zset')
  if is_moved and kind == 'nothing' then
    remove(job)
  elseif is_moved and kind == 'later' then
    redis.call('ZADD', KEYS[1], 'XX', to, job)
    to = redis.call('ZSCORE', KEYS[1], job)
    -- The second of two who want the same finds nothing to do.
    is_moved = to ~= score
  elseif is_moved then
    local put
    if kind == 'dead' then
      put = redis.pcall('ZADD', KEYS[3], to, job)
    elseif kind == 'next' then
      put = redis.pcall('RPUSH', KEYS[tonumber(to)], new)
    else
      put = redis.pcall('LPUSH', KEYS[tonumber(to)], new)
    end
    if type(put) ~= 'number' then
      if #moved == 0 then return put end
      break
    end
    -- One that is dead already and is killed again is where it should be.
    if kind ~= 'dead' or KEYS[1] ~= KEYS[3] then remove(job) end
    if kind == 'dead' then
      redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[2])
      redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -(tonumber(ARGV[3]) + 1))
    else
      to = string.sub(KEYS[tonumber(to)], 7)
      redis.pcall('SADD', KEYS[2], to)
    end
  end
  if is_moved then
    done = done + 1
    -- A job at the end of its queue is soon taken, and has nowhere to go back to.
    if seconds > 0 and kind ~= 'next' then redis.call('RPUSH', KEYS[5], job, score, kind, to, new) end
  else
    gone = gone + 1
  end
  moved[#moved + 1] = is_moved and 1 or 0
end
if seconds > 0 then redis.call('EXPIRE', KEYS[5], seconds) end
if ARGV[4] ~= '' then
  redis.pcall('HINCRBY', KEYS[4], 'done', done)
  redis.pcall('HINCRBY', KEYS[4], 'gone', gone)
end
return moved
