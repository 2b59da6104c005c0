#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel from above: its test LibOS, and hostile ones, with 1, 2 and 4 CPUs.  Prints TAP; exits with 1 if something failed.
# usage: tests/kernel/run.sh [BUILD [SECONDS_OF_FUZZ]]
set -u
here=$(dirname "$(readlink -f "$0")")
build=${1:-build}
seconds=${2:-10}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 number=0 status=0 limit=0

boot() { # manifest, CPUs, MiB, seconds, command line, further options...
    local manifest=$1 cpus=$2 mem=$3 line=$5
    limit=$4 status=1
    shift 5
    "$here/with-manifest" "$build/feuerbird" "$here/../manifests/$manifest.manifest" "$work/kernel" || return 1
    timeout "$limit" qemu-system-x86_64 -kernel "$work/kernel" -display none -serial stdio -serial null -no-reboot -m "$mem" \
        -cpu max -smp "$cpus" -append "console=ttyS0 panic=-1 $line" "$@" </dev/null >"$work/log" 2>"$work/errors"
    status=$?
}
# The same for two who do not know of each other: until all of the patterns are there, or a failure is.
boot_until() { # patterns, then as boot
    local patterns=$1 pattern all boot
    shift
    rm -f "$work/kernel"
    : >"$work/log"
    boot "$@" &
    boot=$!
    while kill -0 $boot 2>/dev/null && ! grep -aqE '^not ok|PANIC|Bail out' "$work/log"; do
        all=1
        while IFS= read -r pattern; do grep -aq "$pattern" "$work/log" || all=0; done <<<"$patterns"
        [ $all = 0 ] || break
        sleep 0.2
    done
    limit=$4
    kill -0 $boot 2>/dev/null && pkill -TERM -P $boot
    wait $boot
    [ "${all:-0}" = 1 ] && status=0 || status=124
}
say() { # good?, name
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        "$here/../why" "$work/log" $status "$limit"
        failed=1
    fi
}
# The limits are for a boot that hangs: on a host with nothing else to do it takes a tenth of them.

for cpus in 1 2 4; do
    boot ktest $cpus 80 300 ""
    grep -aq '^1\.\.' "$work/log" && ! grep -aqE '^not ok|PANIC|Bail out' "$work/log"
    say $? "kernel calls, upcalls, domains and slices with $cpus CPUs"
done
"$here/model/mutants.sh" "$build" >"$work/log" 2>&1
status=$?
say $status "planted faults that the model finds: $(grep -c '^ok' "$work/log")"
boot ktest 1 80 120 ktest.bench -accel tcg -cpu max,-erms,-pku -icount shift=0,sleep=off
grep -aq '^bench gate' "$work/log"
say $? "costs in instructions"
grep -a '^bench' "$work/log" | tr -d '\r' | sed 's/^/# /'
for cpus in 1 2 4; do
    boot fuzz $cpus 64 "$seconds" fuzz.calls=20000
    # On a busy host no domain may have come to its end yet.
    grep -aq 'ended' "$work/log" || boot fuzz $cpus 64 $((seconds * 6)) fuzz.calls=20000
    grep -aq 'ended' "$work/log" && ! grep -aqE 'PANIC|could not be started' "$work/log"
    say $? "hostile LibOSes with $cpus CPUs: $(grep -ac ' ended: ' "$work/log") domains ended and made again"
done
for cpus in 1 2 4; do
    boot_until $'^ok 1 - the victim\ncells:' enemies $cpus 96 300 ""
    grep -aq '^ok 1 - the victim' "$work/log" && grep -aq 'cells:' "$work/log" && ! grep -aqE '^not ok|PANIC|Bail out' "$work/log"
    say $? "each call with each argument bad in each way, with $cpus CPUs:$(grep -ao 'victim: .*' "$work/log" | tr -d '\r')"
done
if [ -x "$build/user/agent" ]; then # the agent that `feuer exec` runs its commands through
    limit=120
    out=$(FEUER_BUILD=$(readlink -f "$build") "$here/../../tools/feuer" exec --kernel "$build/feuerbird" --cpus 2 --timeout 120 \
        --manifest "$here/../manifests/fuzz-beside-posix.manifest" --append fuzz.calls=20000 -- \
        sh -c 'for i in 1 2 3 4 5 6 7 8; do ls -l /bin | sort | wc -l; done | uniq | wc -l' 2>"$work/log")
    status=$?
    [ "$out" = 1 ] || echo "not ok - the listings are not all the same: $out" >>"$work/log"
    [ "$out" = 1 ]
    say $? "a POSIX instance works beside hostile ones"
fi
echo "1..$number"
exit $failed
