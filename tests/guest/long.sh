#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies that a long stress (forks, programs, signals, kills at random, pipes, mappings, files, terminals, threads and
# their locks, events, local sockets, descriptors on their way, System V and POSIX objects) fails nowhere and loses nothing: what the instance holds after it is what it held before.
# usage: long.sh DIR SECONDS     DIR has the programs `stress*` and `accounting`
# Each round is a shell of its own, so that who counts (c/accounting.c, A2 and A5) is the only process that is there
# before and after it, and needs no memory that it had not before.
dir=$1
seconds=$2

if [ "$3" != round ]; then
    mkdir -p /dev/pts
    [ -e /dev/pts/ptmx ] || mount -t devpts devpts /dev/pts 2>/dev/null
    exec "$dir/accounting" -s "$seconds" /bin/busybox "$dir/stress" "$dir/stress_threads" "$dir/stress_talk" -- \
        sh "$0" "$dir" "$seconds" round
fi

# One round: stress, and a shell's own work beside it: pipelines, background jobs.
bad=0
for program in stress stress_threads stress_talk; do
    "$dir/$program" -t 30 -w 4 -s "$ROUND" >/tmp/long.$program 2>&1 &
done
i=0
while [ $i -lt 20 ]; do
    i=$((i + 1))
    [ "$(echo "$i" | cat | cat | tr 0-9 a-j | wc -c)" = $((${#i} + 1)) ] || bad=$((bad + 1))
    sleep 5 &
    kill $! && wait $! 2>/dev/null
done
wait
for program in stress stress_threads stress_talk; do
    grep -q '^ok' "/tmp/long.$program" || { bad=$((bad + 1)); cat "/tmp/long.$program"; }
    rm -f "/tmp/long.$program"
done
[ $bad = 0 ] || echo "not ok - round $ROUND: $bad failures"
[ $bad = 0 ]
