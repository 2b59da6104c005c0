# SPDX-License-Identifier: MIT
# image: python
# Python's everyday modules (its own test suite is run by python-suite).

python3 - <<'P'
import os, sys, json, sqlite3, zlib, hashlib, threading, subprocess, mmap, tempfile, queue, signal, pickle
print(sys.version_info[:2])
print(sum(i * i for i in range(100000)))
print(json.loads(json.dumps({"a": [1, 2.5, None, "é"]})))
base = sqlite3.connect(":memory:")
base.execute("create table t(a)")
base.executemany("insert into t values(?)", ((i,) for i in range(5000)))
print(base.execute("select count(*), sum(a) from t").fetchone())
data = bytes(range(256)) * 4000
print(len(zlib.compress(data)), hashlib.sha256(data).hexdigest()[:16])
done = queue.Queue()
threads = [threading.Thread(target=lambda n=n: done.put(n * n)) for n in range(50)]
[one.start() for one in threads]; [one.join() for one in threads]
print(sum(done.get() for _ in threads))
print(subprocess.run(["sh", "-c", "cat; exit 3"], input=b"piped", capture_output=True))
with tempfile.TemporaryFile() as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 0) as area:
        area[4096:4100] = b"here"
        print(area.find(b"here"), area.size())
signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
child = os.fork()
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(pickle.dumps(list(range(1000)))))
P
python3 -m compileall -q /usr/lib/python3.11/json && python3 -m timeit -n 1 -r 1 pass >/dev/null && python3 -c 'import this' | wc -l
python3 -c 'import multiprocessing as m
with m.get_context("fork").Pool(3) as p: print(p.map(abs, range(-50, 0))[:3])
n = m.Value("i", 0)
def f():
    for _ in range(100):
        with n.get_lock(): n.value += 1
l = [m.Process(target=f) for _ in range(3)]
[x.start() for x in l]; [x.join() for x in l]; print(n.value)'
python3 -c 'import asyncio
async def f(n): await asyncio.sleep(0.01); return n
async def g():
    p = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1); print((await p.communicate(b"async"))[0])
    return sum(await asyncio.gather(*map(f, range(200))))
print(asyncio.run(g()))'
