#!lua flags=allow-oom
-- Takes jobs out of a place, and puts each where an operator wants it.
--
-- KEYS  1 the place: a queue, 'schedule', 'retry' or 'dead'  2 'queues'  3 'dead'  4.. queues that jobs go to
-- ARGV  1 'list' or 'zset'  2 scores of the dead up to this one are too old  3 how many dead to keep
--       then four for each job: its bytes as found, 'nothing', 'queue', 'dead' or 'later', which of KEYS it goes to or its
--       score, its new bytes; the name of a queue is what follows 'queue:' in its key
-- Returns for each job 1 if it was there and is moved, 0 if not; or the error of the key that refused the first.
--
-- Atomic because a job must be either here or there, and because the second of two operators must find nothing to do. It is
-- first put where it goes and then removed: if the first is refused, it stays, and so do those behind it.
local function holds(job)
  if ARGV[1] == 'list' then
    return redis.call('LPOS', KEYS[1], job)
  end
  return redis.call('ZSCORE', KEYS[1], job)
end
local function remove(job)
  if ARGV[1] == 'list' then
    return redis.call('LREM', KEYS[1], 1, job)
  end
  return redis.call('ZREM', KEYS[1], job)
end
local moved = {}
for i = 4, #ARGV, 4 do
  local job, kind, to, new = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local done = 1
  if kind == 'nothing' then
    done = remove(job)
  elseif not holds(job) or (kind == 'later' and ARGV[1] == 'list') then
    done = 0
  elseif kind == 'later' then
    redis.call('ZADD', KEYS[1], 'XX', to, job)
  else
    local put
    if kind == 'queue' then
      put = redis.pcall('LPUSH', KEYS[tonumber(to)], new)
    else
      put = redis.pcall('ZADD', KEYS[3], to, job)
    end
    if type(put) ~= 'number' then
      if #moved == 0 then return put end
      break
    end
    -- One that is dead already and is killed again is where it should be.
    if kind == 'queue' or KEYS[1] ~= KEYS[3] then remove(job) end
    if kind == 'queue' then
      redis.pcall('SADD', KEYS[2], string.sub(KEYS[tonumber(to)], 7))
    else
      redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ARGV[2])
      redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -(tonumber(ARGV[3]) + 1))
    end
  end
  moved[#moved + 1] = done
end
return moved
