#!/bin/bash
# SPDX-License-Identifier: MIT
# The steward and zonectl: two POSIX instances with roots and settings of their own and a third LibOS, listed, stopped, started,
# killed and restarted, with 1, 2 and 4 CPUs; four LibOSes of three kinds at once; then a LibOS that crashes, a terminal that moves, and manifests with mistakes.
# Prints TAP; exits with 1 if something failed.
# usage: tests/steward/run.sh [BUILD]
set -u
here=$(dirname "$(readlink -f "$0")")
feuer=$here/../../tools/feuer
export FEUER_BUILD=$(readlink -f "${1:-build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 number=0 limit=0

# Limits are for what hangs; what the tests wait for are events, on a busy host too.
guest() { # seconds, options of feuer exec and the command
    limit=$1
    shift
    timeout $((limit + 10)) "$feuer" exec --timeout "$limit" "$@" >"$work/out" 2>"$work/err"
}
result() { # status, name
    number=$((number + 1))
    [ "$1" = 0 ] && { echo "ok $number - $2"; return; }
    echo "not ok $number - $2"
    cat "$work/out" "$work/err" >"$work/both" 2>/dev/null
    "$here/../why" "$work/both" "$1" "$limit"
    sed 's/^/# /' "$work/both"
    failed=1
}
for cpus in 1 2 4; do
    guest 240 --cpus "$cpus" --manifest "$here/../manifests/two-posix.manifest" --add "$here/guest" -- /bin/sh /add/operate.sh
    result $? "instances are operated with $cpus CPUs"
done

for cpus in 1 2 4; do
    guest 240 --cpus "$cpus" --mem 300 --manifest "$here/../manifests/side-by-side.manifest" --add "$here/guest" -- /bin/sh /add/together.sh
    result $? "two POSIX instances, hello and rt run at once, and memory is asked back, with $cpus CPUs"
done

printf 'instance main\n devices com1 com2 host power control\n initrd yes\n on-end power\ninstance crash\n personality crash\n memory 8M\n restart on-failure 2 20\n' >"$work/crash.manifest"
guest 120 --manifest "$work/crash.manifest" --personality "crash=$FEUER_BUILD/crash.elf" -- /bin/sh -c \
    'for n in $(seq 300); do zonectl --plain list | cut -f1,2,7 | grep -q "^crash	down	3" && break; sleep 0.1; done
    zonectl log steward; zonectl log crash; zonectl --plain list'
grep -q 'instance crash ended: a fault in its fault handler' "$work/out" && grep -q 'crash_innermost+' "$work/out" &&
    grep -q 'crash_middle+' "$work/out" && grep -q 'libos_main+\|libos_upcall+' "$work/out" &&
    [ "$(grep -c 'crash: about to crash' "$work/out")" = 3 ] && grep -q 'ended 3 times in a row, and stays down' "$work/out" &&
    grep -q "^crash	down" "$work/out"
result $? "a LibOS that dies is reported with its backtrace, restarted twice, and then not again"

{
    printf 'instance main\n devices com1 com2 host power control\n initrd yes\n on-end power\n memory 96M\n'
    printf 'instance stack\n personality hostile\n memory 8M\n restart on-failure 1 20\n'
    printf 'instance read\n personality hostile\n memory 16M\n chunk 2M\n chunks 3\n restart on-failure 3 20\n'
} >"$work/hostile.manifest"
guest 120 --cpus 2 --manifest "$work/hostile.manifest" --personality "hostile=$FEUER_BUILD/hostile.elf" -- /bin/sh -c \
    'for n in $(seq 300); do [ "$(zonectl --plain list | grep -c "	down	hostile")" = 2 ] && break; sleep 0.1; done; zonectl log steward; zonectl log read; zonectl --plain list'
[ "$(grep -c 'read: [1-9][0-9]* pages, 0 of somebody else' "$work/out")" = 4 ] && [ "$(grep -c 'instance stack ended: a fault' "$work/out")" = 2 ]
result $? "memory comes to its next owner cleared, and a wild stack pointer ends its instance alone"

{
    printf 'instance main\n devices com1 com2 host power control\n initrd yes\n on-end power\n'
    for n in $(seq 45); do
        printf 'instance i%d\n personality crash\n memory 4M\n restart on-failure 3 50\n cpus 0\n' "$n"
    done
} >"$work/many.manifest"
guest 120 --cpus 2 --mem 600 --manifest "$work/many.manifest" --personality "crash=$FEUER_BUILD/crash.elf" -- /bin/sh -c \
    'for n in $(seq 300); do [ "$(zonectl --plain list | cut -f2,7 | grep -c "^down	4")" = 45 ] && break; sleep 0.1; done; zonectl --plain list; zonectl log i45'
[ "$(grep -c '^i[0-9]*	down.*	4	0	a fault in its fault handler' "$work/out")" = 45 ] && [ "$(grep -c 'i45: about to crash' "$work/out")" = 4 ]
result $? "45 instances crash, are started again three times each, and stay down"

printf 'instance main\n devices com1 com2 host power control\n initrd yes\n on-end power\ninstance other\n memory 64M\n root shell\n' >"$work/move.manifest"
printf ' args init=/bin/sh -- -c "echo quiet words; while sleep 0.3; do echo spoken; done"\n' >>"$work/move.manifest"
# Each step waits for what the one before it brings: words in the other's log, then on the console, which the host sees.
until_there() { # pattern
    for n in $(seq 600); do
        grep -aqs "$1" "$work/console" && break
        sleep 0.1
    done
}
{
    until_there '^spoken'
    echo spoken
    until_there '^back'
} | guest 120 --manifest "$work/move.manifest" --console "$work/console" -- /bin/sh -c \
    'for n in $(seq 300); do zonectl log other | grep -q "quiet words" && break; sleep 0.1; done
    zonectl console other; zonectl --plain list | cut -f1,4; read answer; zonectl console main; zonectl --plain list | cut -f1,4
    echo back >/dev/console; read answer; zonectl log other'
good=1
grep -q '^spoken' "$work/console" && grep -q '^back' "$work/console" && ! grep -q 'quiet words' "$work/console" &&
    grep -q 'quiet words' "$work/out" && [ "$(grep -c 'other	yes' "$work/out")" = 1 ] && [ "$(grep -c 'main	yes' "$work/out")" = 1 ] && good=0
result $good "the terminal moves to another instance and back"

# Mistakes in a manifest: what it says, and the line.
while IFS='|' read -r text line words; do
    printf "$text" >"$work/bad.manifest"
    guest 60 --manifest "$work/bad.manifest" -- /bin/true </dev/null
    grep -q "manifest, line $line: .*$words" "$work/err"
    result $? "a manifest is refused: $words"
done <<'END'
instance a\n memory 8M 9M\n|2|one value is enough
instance a\n restart maybe\n|2|not one of the words
instance a\n devices com9\n|2|unknown device
END
printf 'instance a\n devices com1\n root /no/such/file\n' >"$work/bad.manifest"
guest 60 --manifest "$work/bad.manifest" -- /bin/true
grep -q 'cannot read /no/such/file, which the manifest names as a root' "$work/err"
result $? "a root that is not there is named"
echo "1..$number"
exit $failed
