#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies that a long stress (forks, programs, signals, kills at random, pipes, mappings, files, terminals, threads and
# their locks, events, local sockets, descriptors on their way, System V and POSIX objects) fails nowhere and loses nothing: what the instance holds after it is what it held before.
# usage: long.sh DIR SECONDS     DIR has the programs `stress*` and counts.sh
dir=$1
seconds=$2
. "$dir/counts.sh"

mkdir -p /dev/pts
[ -e /dev/pts/ptmx ] || mount -t devpts devpts /dev/pts 2>/dev/null
# One round: stress, and a shell's own work beside it: pipelines, background jobs.
work()
{
    for program in stress stress_threads stress_talk; do
        "$dir/$program" -t 30 -w 4 -s "$1" >/tmp/long.$program 2>&1 &
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
}

# A page of a program that is touched for the first time becomes a page of its file; vCPUs' stacks and
# caches, this shell's own memory, and what is made at first need and kept come with their first
# work: the first third is not compared. What is lost again and again shows in the rest.
bad=0 round=0
# One round at the least: without one after it, the first sample would be compared with itself.
rounds_until()
{
    while :; do
        round=$((round + 1))
        work "$round"
        now=$(sample)
        echo "# $((end - $(date +%s))) s left: round $round, failed $bad, $now"
        [ "$(date +%s)" -lt "$1" ] || break
    done
}
end=$(($(date +%s) + seconds))
rounds_until $(($(date +%s) + (seconds < 600 ? 60 : seconds / 3)))
same() { [ "$1" = "$2" ]; }
same "$now" "" || sleep 0.1 # the shell's own first time of what follows the rounds
before=$(sample)
echo "# before: $before"
rounds_until "$end"
after=$now tries=0
while ! same "$after" "$before" && [ $tries -lt 10 ]; do
    tries=$((tries + 1))
    sleep 1
    after=$(sample)
done
echo "# after:  $after"
[ $bad = 0 ] && echo "ok - $round rounds without a failure" || echo "not ok - $bad failures"
if [ "$after" = "$before" ]; then
    echo "ok - the counts are those of the start"
else
    echo "not ok - the counts differ"
    bad=1
fi
[ $bad = 0 ]
