# SPDX-License-Identifier: MIT
# What tests/steward/kills.sh runs in the instance `main`: COUNT instances are started and killed at any moment, before, during and
# after a request for memory, while main computes.  Prints: kills, free KiB and the steward's slots before and after, results right and wrong.
count=$1 seed=$2
raw() { # a request, as the steward answers it
    exec 3<>/dev/steward
    printf '%s' "$1" >&3
    cat <&3
    exec 3>&-
}
state() { zonectl --plain list | grep "^$1	" | cut -f2; }
all_down() {
    for v in posix noise calls read; do zonectl kill $v 2>/dev/null; done
    for n in $(seq 300); do
        [ "$(zonectl --plain list | cut -f2 | grep -c '^down$')" = 4 ] && return
        sleep 0.1
    done
    echo "they do not end:"
    zonectl --plain list
    exit 1
}
have() { raw top | grep '^steward' | cut -f3,4 | tr '\t' ' '; }
random() { # below $1
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    drawn=$((seed / 65536 % $1))
}
work() { seq 1 3000 | md5sum; }
expected=$(work)
all_down
before=$(have)
: >/tmp/wrong
: >/tmp/right
while [ ! -e /tmp/enough ]; do
    if [ "$(work)" = "$expected" ]; then echo >>/tmp/right; else echo >>/tmp/wrong; fi
done &
worker=$!
kills=0
while [ $kills -lt "$count" ]; do
    random 4
    case $drawn in 0) v=posix w=noise most=50 ;; 1) v=noise w=calls most=8 ;; 2) v=calls w=posix most=8 ;; *) v=read w=calls most=2 ;; esac
    case $(state $v) in
    down) zonectl start $v || { echo "$v cannot be started"; raw 'log steward' | tail -60; exit 1; } ;;
    ending) continue ;;
    esac
    random 3
    [ "$drawn" = 0 ] && zonectl reclaim $v 4M -t 0.02 $w >/dev/null 2>&1
    random $most
    [ "$drawn" -gt 0 ] && sleep "$(printf '0.%03d' $((drawn * 10)))"
    random 3
    [ "$drawn" = 0 ] && zonectl reclaim $v 2M -t 0.01 >/dev/null 2>&1
    raw "kill $v" >/dev/null # it may have ended by itself: that is an end too
    kills=$((kills + 1))
done
all_down
: >/tmp/enough
wait $worker
after=$(have)
echo "kills=$kills before=$before after=$after right=$(wc -l </tmp/right) wrong=$(wc -l </tmp/wrong) found=$(zonectl log read | grep -c ' pages, [1-9][0-9]* of somebody')"
[ "$before" = "$after" ] && [ ! -s /tmp/wrong ] && [ -s /tmp/right ] && ! zonectl log read | grep -q ' pages, [1-9][0-9]* of somebody'
