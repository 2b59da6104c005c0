#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies that nothing is lost: the same stress several times, and what the instance holds after each (see c/accounting.c).
# usage: accounting.sh DIR [ROUNDS]     DIR has the programs `accounting`, `stress` and `test_storms`
dir=$1
rounds=${2:-40}

if [ "$3" = work ]; then
    "$dir/stress" -n "$rounds" -w 4 -s 1 >/dev/null || { echo "stress failed"; exit 1; }
    "$dir/test_storms" 2 >/dev/null 2>&1
    for i in 1 2 3 4 5; do
        echo "text $i" >"/tmp/accounting.$i"
        cat "/tmp/accounting.$i" "/tmp/accounting.$i" | cat >/dev/null
        sleep 60 &
        kill -TERM $!
        wait $! 2>/dev/null
        rm "/tmp/accounting.$i"
    done
    exit 0
fi
count()
{
    "$dir/accounting" /bin/busybox "$dir/stress" "$dir/test_storms" -- "$@"
}

count sh "$0" "$dir" "$rounds" work || exit 1

# The count itself: a page and a file that each run leaves are found.
if count sh -c 'echo left >"/tmp/left.$$"' >/tmp/found 2>&1; then
    echo "not ok - what each run leaves is found"
    exit 1
fi
grep -q '^not ok - something is lost' /tmp/found || { cat /tmp/found; exit 1; }
echo "ok - what each run leaves is found"
rm -f /tmp/left.* /tmp/found
