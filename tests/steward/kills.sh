#!/bin/bash
# SPDX-License-Identifier: MIT
# Instances are killed at any moment: what the others compute stays right, and the steward has all memory and all slots back afterwards.
# usage: tests/steward/kills.sh [--count N] [--cpus LIST] [--seed N] [BUILD]      N: 15 kills; LIST: 1,2,4.  Prints TAP, with the counts.
set -u
here=$(dirname "$(readlink -f "$0")")
count=15 list=1,2,4 seed=1 build=build
while [ $# -gt 0 ]; do
    case $1 in
    --count) count=$2; shift 2 ;;
    --cpus) list=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    *) build=$1; shift ;;
    esac
done
export FEUER_BUILD=$(readlink -f "$build")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/kills.manifest" <<'END'
instance main
    personality posix
    memory 128M
    devices com1 com2 host power control
    initrd yes
    on-end power
instance posix
    personality posix
    memory 64M
    chunk 2M
    chunks 8
    root shell
    args init=/bin/sh -- -c "while :; do ls -lR / >/dev/null; done"
instance noise
    personality fuzz
    memory 12M
    chunk 2M
    chunks 2
    slots 64
instance calls
    personality fuzz
    memory 12M
    chunk 2M
    chunks 2
instance read
    personality hostile
    memory 16M
    chunk 2M
    chunks 3
END
failed=0 number=0 limit=$((120 + count * 2))
for cpus in ${list//,/ }; do
    timeout $((limit + 10)) "$here/../../tools/feuer" exec --cpus "$cpus" --mem 400 --manifest "$work/kills.manifest" --add "$here/guest" \
        --personality "hostile=$FEUER_BUILD/hostile.elf" --timeout $limit -- /bin/sh /add/kills.sh "$count" "$seed" >"$work/out" 2>"$work/err"
    status=$?
    number=$((number + 1))
    sed 's/^/# /' "$work/out"
    [ $status = 0 ] || { sed 's/^/# /' "$work/err"; printf 'not '; failed=1; }
    echo "ok $number - $count kills at any moment with $cpus CPUs"
done
echo "1..$number"
exit $failed
