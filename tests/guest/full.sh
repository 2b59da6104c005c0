#!/bin/sh
# SPDX-License-Identifier: MIT
# Verifies that programs which take all memory are ended, and that the shell beside them
# goes on working.
# usage: full.sh DIR     DIR has the program `hog`; the machine has little memory
dir=$1
for hogs in 1 8 30; do
    "$dir/hog" "$hogs" >/dev/null &
    worked=0
    for i in 1 2 3 4 5 6 7 8 9 10; do
        if [ "$(echo "$i" 2>/dev/null)" = "$i" ]; then
            worked=$((worked + 1))
        fi
    done
    wait
    if [ "$worked" -ge 5 ] && [ "$(echo after)" = after ]; then
        echo "ok - $hogs"
    else
        echo "not ok - $hogs: $worked of 10 commands ran"
        exit 1
    fi
done
