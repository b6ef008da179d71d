#!lua flags=allow-oom
-- Says that a process lives: renews its lease and its record, and takes one signal.
--
-- KEYS  1 'kiq:owners'  2 lease  3 'processes'  4 record  5 what it is doing  6 signals  7 'paused'
-- ARGV  1 identity  2 milliseconds of the lease  3 seconds of the record  4 how many fields the record has
--       5.. field, value of the record, then processor, text of what it is doing
-- Returns the signal, or an empty text, and the names of the paused queues.
--
-- Atomic because a reader that finds a name without its record removes it, and because an owner must be findable before it
-- owns anything. A script and no transaction because a full server refuses those: its workers would lose their leases, and
-- nobody could drain it.
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
redis.call('SADD', KEYS[3], ARGV[1])
local last = 4 + 2 * tonumber(ARGV[4])
redis.call('HSET', KEYS[4], unpack(ARGV, 5, last))
redis.call('EXPIRE', KEYS[4], ARGV[3])
redis.call('UNLINK', KEYS[5])
for i = last + 1, #ARGV, 2 do
  redis.call('HSET', KEYS[5], ARGV[i], ARGV[i + 1])
end
if #ARGV > last then
  redis.call('EXPIRE', KEYS[5], ARGV[3])
end
local paused = redis.pcall('SMEMBERS', KEYS[7])
-- The key is Sidekiq Pro's; if somebody made it anything else than a set, nothing is paused.
return { redis.call('RPOP', KEYS[6]) or '', paused.err and {} or paused }
