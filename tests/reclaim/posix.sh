#!/bin/bash
# SPDX-License-Identifier: MIT
# A POSIX instance under load is asked for memory and time, and forced, with so many CPUs: its programs check all that they wrote.
# Prints TAP; exits with 1 if something failed.
# usage: tests/reclaim/posix.sh [BUILD [CPUS...]]     CPUS: 1 2 4
set -u
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -f "${1:-build}")
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 1 2 4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/add"
cp "$build/guest/reclaim_load" "$work/add" || exit 1
failed=0 number=0

guest() { # CPUs, feuer.reclaim=, command
    FEUER_BUILD=$build "$here/../../tools/feuer" exec --kernel "$build/feuerbird" --cpus "$1" --mem 160 --timeout 150 \
        --manifest "$here/../manifests/reclaim-posix.manifest" --add "$work/add" --append "feuer.reclaim=$2" -- sh -c "$3" >"$work/log" 2>&1
}
expect() { # pattern (extended), what it shows
    grep -aqE "$1" "$work/log" && return
    echo "# missing: $2 ($1)"
    bad=1
}
say() { # name
    number=$((number + 1))
    if [ $bad = 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' "$work/log"
        failed=1
    fi
}
for cpus in "$@"; do
    bad=0
    # The second time all chunks have pages in use, which must move.
    guest "$cpus" posix:8M:20000:3000:heir,posix:12M:20000:4500,posix:30%:5000:5500:heir \
        'a=$(awk "/^MemTotal/ { print \$2 }" /proc/meminfo); /add/reclaim_load 60 9; echo load $?; dmesg | grep -a "libos: .*\(asked\|taken\|lost\)"
         b=$(awk "/^MemTotal/ { print \$2 }" /proc/meminfo); echo less $((a - b))'
    expect '^right: 61440 KiB, 0 died' 'all contents are as they were written'
    expect 'load 0' 'the programs end well'
    expect 'asked for 8192 KiB: gave 8192 KiB' 'it gives what it is asked for'
    expect 'asked for 12288 KiB: gave 12288 KiB' 'under load, too'
    expect 'asked for processor time' 'and time'
    # (page tables that it makes meanwhile are not memory of programs)
    expect '^less (20[0-9]{3}|21[0-9]{3}|22[0-9]{3}|23[0-9]{3}|24[0-9]{3})$' '/proc/meminfo tells of 20 MiB less'
    grep -aqE 'were taken|has lost|panic' "$work/log" && bad=1
    say "POSIX gives memory back while its programs use it, with $cpus CPUs"
    bad=0
    guest "$cpus" posix:8M:1:2500,posix:8M:1:3200,posix:4M:1:3600,posix:8M:1:4000,posix:4M:1:4400,posix:12M:1:4800 \
        'for n in 1 2 3 4; do /add/reclaim_load 62 1.5 hog; echo load $?; done; dmesg | grep -a "libos: .*\(asked\|taken\|lost\)"; /add/reclaim_load 20 2; echo after $?'
    expect 'libos: 4096 KiB of memory at .* were taken' 'chunks are taken by force'
    expect 'has lost [0-9]+ KiB of memory and is ended' 'who lost pages is ended'
    expect '^after 0' 'the LibOS goes on, and new programs work'
    grep -aqE '^wrong|panic|BAD' "$work/log" && bad=1
    say "POSIX outlives the loss of chunks, with $cpus CPUs"
done
echo "1..$number"
exit $failed
