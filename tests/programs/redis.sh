# SPDX-License-Identifier: MIT
# image: apps
# redis-server over a Unix socket: commands, transactions, scripts, blocking calls, publications,
# snapshots by a forked child, an append-only file across a restart, redis-benchmark.

start() { redis-server --port 0 --unixsocket "$PWD/sock" --dir "$PWD" --daemonize no --save '' --logfile log "$@" >/dev/null 2>&1 & server=$!
    for _ in $(seq 1 300); do redis-cli -s sock ping 2>/dev/null | grep -q PONG && return; sleep 0.1; done; echo "it does not answer"; tail log; }
r() { redis-cli -s sock "$@"; }
start
r set key value; r get key; r incrby n 41; r incr n; r append key 2; r strlen key
for i in $(seq 1 50); do echo "rpush list $i"; echo "hset hash f$i $i"; echo "zadd set $i m$i"; done | r >/dev/null
r llen list; r lrange list 0 2; r hlen hash; r zrevrange set 0 1 withscores; r type set
seq 1 5000 | awk '{ printf "*3\r\n$3\r\nSET\r\n$%d\r\nk%s\r\n$1\r\nv\r\n", length($1) + 1, $1 }' | r --pipe 2>&1 | tail -n 1; r dbsize
r eval 'local s = 0 for i = 1, 100 do s = s + i end return s' 0
printf 'multi\nincr n\nincr n\nexec\n' | r
(r blpop queue 60 >popped) & sleep 0.3; r lpush queue item; wait $!; cat popped
(timeout 60 redis-cli -s sock subscribe news | sed 6q >heard) & until [ "$(r publish news hello)" = 1 ]; do sleep 0.1; done; sleep 0.3; tail -n 1 heard
r setex short 1 x; sleep 1.5; r exists short
r bgsave; until r info persistence | grep -q 'rdb_bgsave_in_progress:0'; do sleep 0.1; done; r info persistence | grep -a last_bgsave_status | tr -d "\r"; [ -s dump.rdb ] && echo saved
for test in ping_inline ping_mbulk set get incr lpush rpop sadd hset mset lrange_100; do
    redis-benchmark -s "$PWD/sock" -q -n 1000 -c 20 -t $test | tr '\r' '\n' | grep -a 'requests per second' | tail -n 1 | awk -F'[: ]' '{ print $1, "done" }'
done
redis-benchmark -s "$PWD/sock" -q -n 2000 -c 50 -P 16 -t set,get | tr '\r' '\n' | grep -ac 'requests per second.*p50'
r shutdown nosave; wait $server; echo "shutdown $?"
start --appendonly yes --appendfsync always; r set lasting yes; r bgrewriteaof >/dev/null; r set after rewrite; kill -9 $server; wait $server 2>/dev/null
start --appendonly yes; r get lasting; r get after; r shutdown; wait $server; echo "shutdown $?"
