--[[
  splice(data, quoted_key, value): sets one member of a JSON object and leaves every other byte
  of its text as it was.

  data        the text of a job's data
  quoted_key  the key as JSON text, with its quotes; '' leaves the data as it is
  value       the value as JSON text

  Returns the new text and the value that stood there before as text, '' where there was no such
  member. Data that is not an object (array, string, number, null, text that is broken at its ends
  or on the way to the key) comes back unchanged and alone. Where a key stands several times at the
  top level its last value is replaced, because that is the one a reader gets.
  Cost: one pass over the text at most; none but a plain search where the key is absent.

  unsplice(data, quoted_key, value, before): the text as it was before splice, whose second result
  is `before`. Where somebody has changed that member since, the data comes back unchanged.
]]
local function string_end(text, quote)
  local at = quote + 1
  while true do
    at = string.find(text, '["\\]', at)
    if not at then return nil end
    if string.byte(text, at) == 34 then return at end
    at = at + 2
  end
end

local function value_end(text, from)
  local first = string.sub(text, from, from)
  if first == '"' then return string_end(text, from) end
  if first ~= '{' and first ~= '[' then
    local _, last = string.find(text, '^[^,%]}%s]+', from)
    return last
  end
  local depth, at = 0, from
  while at do
    local char = string.sub(text, at, at)
    if char == '"' then
      at = string_end(text, at)
      if not at then return nil end
    elseif char == '{' or char == '[' then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then return at end
    end
    at = string.find(text, '["{}%[%]]', at + 1)
  end
end

-- Returns whether the text could be read, then first and last position of the key's last value.
local function find_member(text, open, quoted_key)
  local first, last
  local at = open + 1
  while true do
    local _, quote = string.find(text, '^%s*"', at)
    if not quote then return false end
    local key_end = string_end(text, quote)
    if not key_end then return false end
    local _, colon = string.find(text, '^%s*:%s*', key_end + 1)
    local finish = colon and value_end(text, colon + 1)
    if not finish then return false end
    if string.sub(text, quote, key_end) == quoted_key then
      first, last = colon + 1, finish
    end
    local _, comma = string.find(text, '^%s*,', finish + 1)
    if not comma then return string.find(text, '^%s*}%s*$', finish + 1), first, last end
    at = comma + 1
  end
end

local function splice(data, quoted_key, value)
  local _, open = string.find(data, '^%s*{')
  local closed = string.byte(data, -1) == 125 or string.find(data, '}%s*$')
  if quoted_key == '' or not open or not closed then return data end
  if string.find(data, quoted_key, open, true) then
    local readable, first, last = find_member(data, open, quoted_key)
    if not readable then return data end
    if first then
      return string.sub(data, 1, first - 1) .. value .. string.sub(data, last + 1),
        string.sub(data, first, last)
    end
  end
  local comma = string.find(data, '^%s*}', open + 1) and '' or ','
  return string.sub(data, 1, open) .. quoted_key .. ':' .. value .. comma .. string.sub(data, open + 1), ''
end

local function unsplice(data, quoted_key, value, before)
  local _, open = string.find(data, '^%s*{')
  if not open then return data end
  if before ~= '' then
    local restored, found = splice(data, quoted_key, before)
    return found == value and restored or data
  end
  local member = quoted_key .. ':' .. value
  if string.sub(data, open + 1, open + #member) ~= member then return data end
  local rest = open + #member + 1
  if string.sub(data, rest, rest) == ',' then rest = rest + 1 end
  return string.sub(data, 1, open) .. string.sub(data, rest)
end
