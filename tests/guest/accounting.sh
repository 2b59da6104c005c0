#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies that nothing is lost: the same stress several times, and after each what the
# instance holds, as /dev/feuer says it: the counts must stay.  Frames that the heap's slabs hold are
# counted with the free ones.
# usage: accounting.sh DIR [ROUNDS]     DIR has the program `stress`
dir=$1
rounds=${2:-40}

. "$dir/counts.sh"

work()
{
    "$dir/stress" -n "$rounds" -w 4 -s "$1" >/dev/null || echo "stress failed"
    "$dir/test_storms" 2 >/dev/null 2>&1
    for i in 1 2 3 4 5; do
        echo "text $i" >"/tmp/accounting.$i"
        cat "/tmp/accounting.$i" "/tmp/accounting.$i" | cat >/dev/null
        sleep 60 &
        kill -TERM $!
        wait $! 2>/dev/null
        rm "/tmp/accounting.$i"
    done
}

# A page of a program that is touched for the first time becomes a page of its file, so
# the first runs may differ; what is lost is lost in every run, and then no two are equal.
work 1
before=$(sample)
same=0
for try in 1 2 3 4 5 6 7 8; do
    work 1
    after=$(sample)
    if [ "$after" = "$before" ]; then
        same=$((same + 1))
        [ "$same" = 3 ] && break
    else
        same=0
        echo "# $try: $before"
        echo "# $try: $after"
        before=$after
    fi
done
if [ "$same" = 3 ]; then
    echo "ok - all is accounted for"
else
    echo "not ok - something is lost"
    exit 1
fi
