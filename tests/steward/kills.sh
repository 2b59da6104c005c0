#!/bin/bash
# SPDX-License-Identifier: MIT
# Instances are killed at any moment: what the others compute stays right, and the steward has all memory and all slots back afterwards.
# usage: tests/steward/kills.sh [--count N] [--cpus LIST] [--seed N] [--keep] [BUILD]      N: 15 kills; LIST: 1,2,4.
# Prints TAP, with the counts; --keep: also docs/results/kills.tsv.
set -u
here=$(dirname "$(readlink -f "$0")")
count=15 list=1,2,4 seed=1 build=build keep=
while [ $# -gt 0 ]; do
    case $1 in
    --count) count=$2; shift 2 ;;
    --cpus) list=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    --keep) keep=$here/../../docs/results/kills.tsv; shift ;;
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
failed=0 number=0 limit=$((240 + count * 2))
head() { # of the file of results
    echo "# command: tests/steward/kills.sh --count $count --cpus $list --seed $seed --keep"
    echo "# commit: $(git -C "$here" rev-parse --short=12 HEAD)"
    echo "# date: $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo "# host: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | uniq), $(nproc) CPUs"
    echo "# qemu: $(qemu-system-x86_64 --version | sed 1q)"
    printf 'cpus\tkills\tfree_kib_before\tfree_kib_after\tslots_before\tslots_after\tright\twrong\tpages_of_others\n'
}
row() { # of what the guest printed
    sed -nE "s/^kills=([0-9]+) before=([0-9]+) ([0-9]+) after=([0-9]+) ([0-9]+) right=([0-9]+) wrong=([0-9]+) found=([0-9]+)\$/$1\t\1\t\2\t\4\t\3\t\5\t\6\t\7\t\8/p" "$work/out"
}
[ -z "$keep" ] || head >"$work/kept"
for cpus in ${list//,/ }; do
    timeout $((limit + 10)) "$here/../../tools/feuer" exec --cpus "$cpus" --mem 400 --manifest "$work/kills.manifest" --add "$here/guest" \
        --personality "hostile=$FEUER_BUILD/hostile.elf" --timeout $limit -- /bin/sh /add/kills.sh "$count" "$seed" >"$work/out" 2>"$work/err"
    status=$?
    number=$((number + 1))
    row "$cpus" >>"$work/kept"
    sed 's/^/# /' "$work/out"
    [ $status = 0 ] || { printf 'not '; failed=1; }
    echo "ok $number - $count kills at any moment with $cpus CPUs"
    [ $status = 0 ] || { "$here/../why" "$work/out" $status $limit; sed 's/^/# /' "$work/err"; }
done
[ -z "$keep" ] || cp "$work/kept" "$keep"
echo "1..$number"
exit $failed
