#!lua flags=allow-oom
-- Finds out what a fetch may do here, on keys of its own that are gone again at the end.
--
-- KEYS  1, 2 two keys that nobody else uses
-- Returns 'sort' or 'copy': the first argument of a fetch. Or an error: a command that no fetch can do without is refused.
--
-- Atomic so that nothing is left behind, whenever this process ends.
local function need(command)
  local done = redis.pcall(unpack(command))
  if type(done) == 'table' and done.err then
    redis.pcall('DEL', KEYS[1], KEYS[2])
    return redis.error_reply(done.err .. ' (' .. command[1] .. ')')
  end
end
local refused = need({ 'RPUSH', KEYS[1], '1', '2' })
if refused then return refused end
local sorted = redis.pcall('SORT', KEYS[1], 'BY', 'nosort', 'DESC', 'LIMIT', 0, 1, 'STORE', KEYS[2])
-- Everything else that fetching, settling and giving back do with a batch.
for _, command in ipairs({
  { 'LLEN', KEYS[1] }, { 'LRANGE', KEYS[1], 0, -1 }, { 'LINDEX', KEYS[1], 0 }, { 'LSET', KEYS[1], 0, '3' },
  { 'LTRIM', KEYS[1], 0, 0 }, { 'DEL', KEYS[1], KEYS[2] }, { 'HSET', KEYS[2], 'a', '1' }, { 'HGET', KEYS[2], 'a' },
  { 'HINCRBY', KEYS[2], 'a', 1 }, { 'HDEL', KEYS[2], 'a' }, { 'EXISTS', KEYS[1], KEYS[2] },
}) do
  refused = need(command)
  if refused then return refused end
end
return type(sorted) == 'number' and 'sort' or 'copy'
