# SPDX-License-Identifier: MIT
# image: small
# Lua: tables, coroutines, garbage, files, pipes, errors.

lua -e 'print(_VERSION)'
cat >work.lua <<'L'
local t = {}
for i = 1, 30000 do t[i] = (i * 7919) % 30011 end
table.sort(t)
print("sorted", t[1], t[#t])
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print("fib", fib(20))
local co = coroutine.wrap(function() for i = 1, 10000 do coroutine.yield(i) end end)
local sum = 0
for i = 1, 10000 do sum = sum + co() end
print("coroutines", sum)
for round = 1, 5 do local junk = {} for i = 1, 10000 do junk[i] = { i, tostring(i) } end end
collectgarbage()
print("garbage", collectgarbage("count") < 20000)
local f = assert(io.open("file", "w"))
for i = 1, 5000 do f:write(i, "\n") end
f:close()
local n = 0
for line in io.lines("file") do n = n + tonumber(line) end
print("lines", n)
f = io.open("file", "r+b") f:seek("set", 100) f:write("here") f:seek("set", 100) print("seek", f:read(4), f:seek("end")) f:close()
local p = io.popen("seq 1 100 | wc -l") print("popen", tonumber(p:read("a")), p:close())
print("execute", os.execute("exit 7"))
print("signal", os.execute("kill -9 $$"))
print("error", pcall(error, "thrown"))
print("open", io.open("/nosuch/file"))
print("rename", os.rename("file", "moved"), os.remove("moved"), os.remove("moved"))
print("time", os.time { year = 2026, month = 1, day = 1, hour = 12 }, os.date("!%F", 86400))
print("getenv", os.getenv("HOME") ~= nil, #os.tmpname() > 0)
print("text", ("%5.2f %q"):format(math.pi, "a\nb"), utf8.char(0x20AC), ("x"):rep(1e7):len())
os.exit(3)
L
lua work.lua; echo "status $?"
lua - <<<'print("from a pipe", #io.read("a") == 0)'
luac -o out.luac work.lua 2>/dev/null; [ ! -f out.luac ] || lua out.luac | head -1
