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

limit=240
guest() { # CPUs, command
    FEUER_BUILD=$build "$here/../../tools/feuer" exec --kernel "$build/feuerbird" --cpus "$1" --mem 160 --timeout $limit \
        --manifest "$here/../manifests/reclaim-posix.manifest" --add "$work/add" -- sh -c ". /add/in_guest; $2" >"$work/log" 2>&1
    status=$?
}
cat >"$work/add/in_guest" <<'END'
said() { dmesg | grep -a "libos: .*\(asked\|taken\|lost\)"; }
total() { awk "/^MemTotal/ { print \$2 }" /proc/meminfo; }
await() { # pattern, command: until it prints that
    for n in $(seq 300); do
        "$2" | grep -q "$1" && return
        sleep 0.1
    done
    echo "never said: $1"
}
load() { # MIB, further arguments: until enough is called
    rm -f /tmp/enough
    /add/reclaim_load "$1" /tmp/enough $2 >/tmp/load &
    load=$!
    await loaded loading
}
loading() { cat /tmp/load; }
enough() { # prints what the load found
    touch /tmp/enough
    wait $load
    status=$?
    cat /tmp/load
    echo load $status
}
END
expect() { # pattern (extended), what it shows
    grep -aqE "$1" "$work/log" && return
    echo "# missing: $2 ($1)"
    bad=1
}
say() { # name
    number=$((number + 1))
    [ -z "${SHOW:-}" ] || cat "$work/log"
    if [ $bad = 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        "$here/../why" "$work/log" $status $limit
        sed 's/^/# /' "$work/log"
        failed=1
    fi
}
for cpus in "$@"; do
    bad=0
    # The second time all chunks have pages in use, which must move.
    guest "$cpus" 'a=$(total); load 60
        zonectl reclaim posix 8M -t 60 heir; await "gave 8192 KiB" said
        zonectl reclaim posix 12M -t 60; await "gave 12288 KiB" said
        zonectl reclaim posix 30% -t 60 heir; await "processor time" said
        b=$(total); enough; said; echo less $((a - b))'
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
    # Deadlines that nobody can keep; the shell does nothing meanwhile for which it would need memory.
    # The load itself may be who loses pages: its end then interrupts the shell's open of the FIFO.
    guest "$cpus" 'mkfifo /tmp/enough.done || exit
        /add/reclaim_load 62 /tmp/enough hog 8M 8M 4M 8M 4M 12M >/tmp/load &
        until read answer </tmp/enough.done; do :; done; echo $answer; wait; cat /tmp/load; said; load 20; enough; echo after $status'
    expect 'libos: 4096 KiB of memory at .* were taken' 'chunks are taken by force'
    expect 'has lost [0-9]+ KiB of memory and is ended' 'who lost pages is ended'
    expect '^asked' 'all was asked for'
    expect '^after 0' 'the LibOS goes on, and new programs work'
    grep -aqE '^wrong|panic|BAD' "$work/log" && bad=1
    say "POSIX outlives the loss of chunks, with $cpus CPUs"
done
echo "1..$number"
exit $failed
