# SPDX-License-Identifier: MIT
# image: apps
# htop and top on a terminal: they draw what /proc says, take keys, and leave.

export TERM=xterm HTOPRC=/dev/null
sleep 100 &
{ sleep 2; printf 't'; sleep 1; printf 'q'; } | script -qec 'stty rows 30 cols 120; htop -d 5 -C' /dev/null >screen 2>&1; echo "status $?"
for word in Tasks 'Load average' Uptime Mem Swp PID sleep htop F10; do
    printf '%s ' "$word"; grep -ac "$word" screen | sed 's/^[1-9].*/shown/'
done
top -bn 1 -w 100 | awk 'NR == 1 { print $1, $2 } /PID/ { print $1, $2, $NF } $NF == "sleep" { print "sleep", $8 }'
ps -eo comm,stat | awk '$1 == "sleep"'; pgrep -x sleep | wc -l; vmstat 2>/dev/null | head -n 1 | cut -c1-5; free | awk '{ print NF }'
kill %1; uptime -p >/dev/null; echo "uptime $?"; w -h >/dev/null; echo "w $?"; pmap $$ | tail -n 1 | cut -c1-6; slabtop -o >/dev/null 2>&1 || true
