#!/bin/bash
# SPDX-License-Identifier: MIT
# The tools of procps and util-linux that read /proc and /sys, on a Debian root: each runs, and what it prints has the
# shape that it has on Linux.  Run it on both kernels:  feuer exec [--kernel linux] --image debian --add DIR -- /bin/bash /add/procfs.sh
failures=0
# check NAME REGEX COMMAND...: it succeeds, and some line of its output matches.
check() {
    local name=$1 regex=$2 out
    shift 2
    if out=$("$@" 2>&1) && grep -Eq -- "$regex" <<<"$out"; then
        echo "ok - $name"
    else
        failures=$((failures + 1))
        echo "not ok - $name"
        head -5 <<<"$out" | sed 's/^/# /'
    fi
}
sleep 1000 &
sleeper=$!
check ps_aux '^root +1 +[0-9.]+ +[0-9.]+ +[0-9]+ +[0-9]+ \? ' ps aux
check ps_ef "^root +$sleeper +$$ .* sleep 1000$" ps -ef
check ps_threads "^root +$sleeper +$$ +$sleeper +[0-9]+ +1 " ps -eLf
check ps_columns "^ *$sleeper +$$ .* S .* 0 sleep$" ps -o pid,ppid,pgid,sid,stat,rss,ni,comm -p $sleeper
check ps_tree '^ *[0-9]+ .*sleep$' ps -ejH
check top '^ +[0-9]+ root +20 +0 ' top -b -n 1
check free '^Mem: +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$' free
check uptime 'up .*load average: [0-9.]+, [0-9.]+, [0-9.]+$' uptime
check vmstat '^( +[0-9]+){17,18}$' vmstat
check w '^USER +TTY ' w
check pgrep "^$sleeper sleep 1000$" pgrep -a sleep
if command -v pidof >/dev/null; then
    check pidof "(^| )$sleeper( |$)" pidof sleep
else
    echo "ok - pidof # SKIP this root has none"
fi
check pwdx "^$sleeper: /" pwdx $sleeper
check pmap '^[0-9a-f]+ +[0-9]+K r-x-- ' pmap $sleeper
check pmap_x '^total kB +[0-9]+ +[0-9]+ +[0-9]+$' pmap -x $sleeper
check pmap_X '^ *Address Perm +Offset' pmap -X $sleeper
check sysctl '^kernel.ostype = Linux$' sysctl kernel.ostype
check lscpu '^CPU\(s\): +[0-9]+$' lscpu
check nproc '^[0-9]+$' nproc
check lsblk '^' lsblk
check mount '^proc on /proc type proc \(rw' mount
check findmnt '/proc +proc +proc +rw' findmnt -l
check df ' /$' df
check prlimit '^NOFILE +max number of open files +[0-9]+ ' prlimit
check taskset "^pid $sleeper's current affinity mask: [0-9a-f]+$" taskset -p $sleeper
check chrt 'SCHED_OTHER$' chrt -p $sleeper
check lslogins '^ +0 root ' lslogins
check substitution '^through a pipe$' cat <(echo through a pipe)
check dev_stderr '^to stderr$' bash -c 'echo to stderr > /dev/stderr'
check dev_fd '^from 3$' bash -c 'cat /dev/fd/3 3<<<"from 3"'
check tee '^twice$' bash -c 'echo twice | tee /dev/stderr'
check getconf '^[1-9][0-9]*$' getconf _NPROCESSORS_ONLN
check umount '^' bash -c 'mkdir -p /tmp/m && mount -t tmpfs x /tmp/m && findmnt /tmp/m && umount /tmp/m'
check pkill '^' pkill -f 'sleep 1000'
wait $sleeper 2>/dev/null
check gone '^1$' bash -c "ls -d /proc/$sleeper >/dev/null 2>&1; echo \$((\$? > 0))"
exit $((failures > 0))
