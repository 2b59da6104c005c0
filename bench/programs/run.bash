#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the programs that are named (FILE.sh beside this one), and prints a line for each:
#     NAME MICROSECONDS CHECKSUM      or      NAME - ERROR TEXT
# Each file has two functions: prepare, which is not measured, and measure, whose standard
# output is what it computes: its checksum is the same on every system.
# Counted, a microsecond of the guest's clock is a thousand instructions.
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d) || exit 1
cd "$work" || exit 1
for name; do
    (
        mkdir "$work/$name" && cd "$work/$name" && . "$here/$name.sh" || exit 1
        if ! why=$(prepare 2>&1 >/dev/null); then
            echo "$name - not prepared: $(tail -n 1 <<<"$why")"
            exit 0
        fi
        begin=${EPOCHREALTIME/./}
        measure >out 2>err
        status=$?
        end=${EPOCHREALTIME/./}
        if [ $status != 0 ]; then
            echo "$name - status $status: $(tail -n 1 err)"
        else
            sum=$(cksum <out)
            echo "$name $((end - begin)) ${sum%% *}"
        fi
    )
    rm -rf "${work:?}/$name"
done
