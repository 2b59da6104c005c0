#!/bin/bash
# SPDX-License-Identifier: MIT
# Visible revocation with LibOSes that obey, are slow, and refuse, with 1, 2 and 4 CPUs.  Prints TAP; exits with 1 if something failed.
# usage: tests/reclaim/run.sh [BUILD]
set -u
here=$(dirname "$(readlink -f "$0")")
build=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 number=0

# From, amount, deadline and time of asking in ms, and who gets it.  Who answers does so in time on a busy host too.
orders=obey:6M:30000:300:heir,slow:4M:200:300:heir,refuse:4M:30000:300
orders+=,obey:50%:30000:4000:heir,slow:50%:200:4000,refuse:40%:30000:4000
limit=120

missing() { # what, pattern: said when the boot is over
    [ -z "$over" ] || echo "# missing: $1 ($2)"
    bad=1
}
expect() { # pattern (extended), what it shows
    grep -aqE "$1" "$work/log" || missing "$2" "$1"
}
# Look for all that must be said; bad=1 if something is not there.
look() {
    tr -d '\r\0' <"$work/console" >"$work/log"
    bad=0
    expect '^obey: gave 6144 KiB of 6144' 'who obeys chooses, and gives all'
    expect '^steward: instance obey: asked for 6144 KiB, answered .* gave 6144, by force 0, record 0' 'nothing is taken from it'
    expect '^obey: 12288 KiB of data are right, 0 KiB wrong' 'it has lost nothing'
    expect '^steward: instance slow: asked for 4096 KiB, no answer .* gave 0, by force 4096, record [12]$' 'the deadline'
    expect '^slow: noticed request 1 after its deadline' 'it was slow'
    expect '^slow: lost 4096 KiB, as the record says' 'it reads what it lost'
    expect '^slow: 8192 KiB of data are right, 0 KiB wrong' 'the rest is as it was'
    expect '^steward: instance refuse: asked for 4096 KiB, answered .* gave 0, by force 4096' 'force against who refuses'
    expect '^refuse: lost 4096 KiB, as the record says' 'it reads what it lost'
    expect '^refuse: 8192 KiB of data are right, 0 KiB wrong' 'the rest is as it was'
    [ "$(grep -aE '^heir: got [0-9]+ KiB' "$work/log" | awk '{ n += $3 } END { print n }')" = 10240 ] || missing 'heir gets 10240 KiB' 'heir: got'
    expect '^heir: 12288 KiB of data are right, 0 KiB wrong' 'memory that moved is usable'
    expect '^obey: time is 50% of what it was' 'who obeys gives time'
    expect '^steward: instance slow: asked for .* us, no answer' 'the deadline, for time'
    expect '^slow: time is (49|50)% of what it was' 'time by force'
    expect '^refuse: time is (49|50|59|60)% of what it was' 'time by force'
    expect '^heir: time is [1-9][0-9]+% of what it was' 'time that moved'
}
for cpus in 1 2 4; do
    "$here/../kernel/with-manifest" "$build/feuerbird" "$here/../manifests/reclaim.manifest" "$work/kernel" || exit 1
    timeout $limit qemu-system-x86_64 -kernel "$work/kernel" -display none -serial stdio -no-reboot -m 128 -cpu max -smp "$cpus" \
        -append "console=ttyS0 panic=-1 feuer.reclaim=$orders" </dev/null >"$work/console" 2>&1 &
    boot=$! over=
    while look; [ $bad = 1 ] && kill -0 $boot 2>/dev/null; do sleep 0.2; done
    kill $boot 2>/dev/null
    wait $boot
    status=$? over=1
    look
    grep -aqE 'wrong:|PANIC|panic:|vector ' "$work/log" && bad=1
    number=$((number + 1))
    if [ $bad = 0 ]; then
        echo "ok $number - memory and time are asked back with $cpus CPUs"
    else
        echo "not ok $number - memory and time are asked back with $cpus CPUs"
        "$here/../why" "$work/log" $status $limit
        sed 's/^/# /' "$work/log"
        failed=1
    fi
done
echo "1..$number"
exit $failed
