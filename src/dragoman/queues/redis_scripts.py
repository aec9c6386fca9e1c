"""What Redis does for a queue in one step each, in Lua: to finish, to keep, to give back, and to trim."""

from __future__ import annotations

from hashlib import sha1
from typing import NamedTuple

RETURNED = b"returned"
"""The consumer that what was given back belongs to, until somebody claims it."""
SINCE = b"since/"
"""What the name of a consumer begins with that has nothing, and tells a group from one of its name that was before."""


class Script(NamedTuple):
    """A script, by its text and the name that the server knows it by."""

    text: bytes
    name: bytes

    @classmethod
    def of(cls, text: str) -> Script:
        """A script of this text."""
        source = text.strip().encode()
        return cls(source, sha1(source, usedforsecurity=False).hexdigest().encode())


MAKE = Script.of("""
-- Make the group where it is missing, with a mark; which mark it has. ARGV: the group, a mark that nobody has.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made['ok'] then
  redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[2])
  return ARGV[2]
end
if string.sub(made['err'], 1, 9) ~= 'BUSYGROUP' then return made end
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  for n = 1, #row, 2 do
    if row[n] == 'name' and string.sub(row[n + 1], 1, 6) == 'since/' then return row[n + 1] end
  end
end
return ''
""")

FINISH = Script.of("""
-- KEYS: the stream, and the places that are sent to. ARGV: the group, how many to keep, and for each message
-- its id ('' for none), its sendings, and for each of those: the place, how many arguments, and the arguments.
-- What was acknowledged already has its result, so another is taken back. -1: there is no such group. With '' for a
-- group, those are of one that is forgotten: what the stream still has comes again, and has its result then.
local group, keep, at, done = ARGV[1], ARGV[2], 3, 0
if group ~= '' then
  local known = redis.pcall('XPENDING', KEYS[1], group)
  if known['err'] then
    if string.sub(known['err'], 1, 7) == 'NOGROUP' then return -1 end
    return known
  end
end
local function settled(id)
  if group ~= '' then return redis.call('XACK', KEYS[1], group, id) == 0 end
  local found = redis.pcall('XRANGE', KEYS[1], id, id)
  return not found['err'] and #found > 0
end
while at <= #ARGV do
  local id, count, added = ARGV[at], tonumber(ARGV[at + 1]), {}
  at = at + 2
  for n = 1, count do
    local key, size = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
    local entry
    if keep == '0' then
      entry = redis.pcall('XADD', key, '*', unpack(ARGV, at + 2, at + 1 + size))
    else
      entry = redis.pcall('XADD', key, 'MAXLEN', '~', keep, '*', unpack(ARGV, at + 2, at + 1 + size))
    end
    if type(entry) == 'table' then
      for m = 1, n - 1 do redis.call('XDEL', added[m][1], added[m][2]) end
      return redis.error_reply(entry['err'] .. ' (' .. key .. ')')
    end
    added[n] = {key, entry}
    at = at + 2 + size
  end
  if id ~= '' and settled(id) then
    for n = 1, count do redis.call('XDEL', added[n][1], added[n][2]) end
  else
    done = done + 1
  end
end
return done
""")

EXTEND = Script.of("""
-- Say that entries are worked on, those that are still this consumer's. ARGV: group, consumer, then id and deliveries.
local mine = 0
for at = 3, #ARGV, 2 do
  local id = ARGV[at]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', 0, 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
    mine = mine + 1
  end
end
return mine
""")

GIVE_BACK = Script.of("""
-- Let anybody claim entries at once. ARGV: group, consumer, lease in ms, then id and deliveries that count.
for at = 4, #ARGV, 2 do
  local id = ARGV[at]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], 'returned', 0, id,
      'IDLE', ARGV[3], 'RETRYCOUNT', ARGV[at + 1], 'JUSTID')
  end
end
return 0
""")

LEAVE = Script.of("""
-- Give back all that a consumer has, at most so many at a time, and forget it where that was all. How many are left.
-- ARGV: group, consumer, lease in ms, how many.
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
for _, row in ipairs(rows) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], 'returned', 0, row[1],
    'IDLE', ARGV[3], 'RETRYCOUNT', math.max(row[4] - 1, 0), 'JUSTID')
end
local left = #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if left == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return left
""")

TAKE = Script.of("""
-- Claim entries of a consumer that is gone, those that are still its own, with how often each was delivered.
-- ARGV: group, consumer, who claims, how many.
local taken = {}
for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])) do
  local entries = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, row[1])
  if entries[1] then taken[#taken + 1] = {entries[1], row[4] + 1} end
end
return taken
""")

TIDY = Script.of("""
-- Forget consumers that have nothing and were not heard of for long; with ARGV[3], drop entries that all groups have
-- handled. ARGV: group, milliseconds, whether to trim.
local function fields(row)
  local found = {}
  for n = 1, #row, 2 do found[row[n]] = row[n + 1] end
  return found
end
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local one = fields(row)
  local mark = string.sub(one['name'], 1, 6) == 'since/'
  if not mark and one['pending'] == 0 and one['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], one['name'])
  end
end
if ARGV[3] ~= '1' then return 0 end
local function before(one, other)
  if one[1] ~= other[1] then return one[1] < other[1] end
  return one[2] < other[2]
end
local function parsed(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return {tonumber(ms), tonumber(seq)}
end
local least
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(row)
  local first
  if group['pending'] > 0 then
    first = parsed(redis.call('XPENDING', KEYS[1], group['name'])[2])
  else
    first = parsed(group['last-delivered-id'])
    first[2] = first[2] + 1
  end
  if not least or before(first, least) then least = first end
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f-%.0f', least[1], least[2]))
""")
