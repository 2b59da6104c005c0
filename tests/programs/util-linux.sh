# SPDX-License-Identifier: MIT
# image: more
# util-linux's programs for scheduling, limits, locks and System V objects; libcap2-bin; inotify-tools.

chrt -o 0 chrt -p $$ | sed 's/[0-9]*\x27s/N/'; chrt -f 10 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'; chrt -r 5 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'
chrt -b 0 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'; chrt -i 0 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'; chrt -m
chrt -d -T 1000000 -D 5000000 -P 10000000 0 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'; chrt -f 100 true 2>/dev/null; echo "status $?"
taskset -c 0 sh -c 'taskset -p $$' | sed 's/pid [0-9]*/pid N/'; taskset 0x1 nproc; taskset -c 900 true 2>/dev/null; echo "status $?"
ionice -c 3 sh -c 'ionice -p $$'; ionice -c 2 -n 6 sh -c 'ionice'; nice -n 5 sh -c 'nice'; renice -n 3 -p $$ >/dev/null; nice
prlimit --nofile=64:128 sh -c 'ulimit -n; ulimit -Hn'; prlimit --pid $$ --core --output RESOURCE,SOFT | tr -s ' '; prlimit --nproc=5:1 true 2>/dev/null; echo "status $?"
prlimit --as=50000000 sh -c 'head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null' 2>/dev/null; echo "status $?"
flock lock -c 'flock -n lock -c true; echo "held $?"'; flock -s lock flock -s -n lock echo shared; flock -w 0.2 -E 9 lock true; echo "free $?"
(flock 9; sleep 0.3; echo first) 9>lock & sleep 0.1; flock lock echo second; wait
id=$(ipcmk -M 4096 | awk '{ print $NF }'); ipcs -m -i "$id" | grep -c 'bytes=4096'; ipcrm -m "$id"; ipcs -m -i "$id" 2>&1 | grep -c id
id=$(ipcmk -S 3 | awk '{ print $NF }'); ipcs -s -i "$id" | grep -c 'nsems = 3'; ipcrm -s "$id"
id=$(ipcmk -Q -p 0600 | awk '{ print $NF }'); ipcs -q -i "$id" | grep -c 'mode=0600'; ipcrm -q "$id"; ipcrm -a; ipcs | grep -c 0x
setsid -w sh -c 'ps -o pid=,sid= -p $$ | awk "{ print \$1 == \$2 }"'; script -qec 'tty | cut -c1-8' /dev/null </dev/null | tr -d '\r'
unshare --help | grep -c -- --user; nsenter --help >/dev/null; echo "status $?"; choom -n 300 -- sh -c 'cat /proc/self/oom_score_adj'
rev <<<abc; printf 'a\tb\n' | column -t; printf '1\n2\n' | pr -t -2 | tr -s ' '; hexdump -C <<<hexdump; getopt -o ab: --long long: -- -a -b x --long y z; mcookie | wc -c; look --help >/dev/null; echo "status $?"
namei -l /tmp | awk '{ print $1, $NF }'; cal 2 2024 | tail -n +2 | tr -s ' '; fallocate -l 100000 big; stat -c %s big; fallocate -p -o 4096 -l 8192 big; stat -c %s big; whereis -b sh | cut -d: -f1
mountpoint -q /proc; echo "mountpoint $?"; findmnt -n -o FSTYPE /proc; lscpu >/dev/null; echo "lscpu $?"; lsipc -m >/dev/null; echo "lsipc $?"; uuidparse -n 2>/dev/null </dev/null; echo "status $?"

# Capabilities of files and of processes.
cp /bin/cat mycat; setcap cap_dac_override=ep mycat; getcap mycat; setcap -v cap_dac_override=ep mycat; echo secret >secret; chmod 600 secret; chmod 755 . mycat
setpriv --reuid=1000 --regid=1000 --clear-groups ./mycat secret; setpriv --reuid=1000 --regid=1000 --clear-groups cat secret 2>/dev/null; echo "without $?"; setcap -r mycat; getcap mycat
capsh --drop=cap_chown -- -c 'chown 5 secret 2>/dev/null; echo "chown $?"'; capsh --has-p=cap_sys_admin; echo "has $?"; capsh --user=nobody --inh=cap_net_raw --print 2>/dev/null | grep -a '^uid' || echo "status $?"
capsh --decode=0000000000003000; getpcaps $$ 2>&1 | sed 's/^[0-9]*/N/' | cut -c1-6; setpriv --dump | grep -c Capability; setpriv --bounding-set=-all --inh-caps=-all sh -c 'grep CapBnd /proc/self/status'
setpriv --no-new-privs grep NoNewPrivs /proc/self/status

# inotify
mkdir watched; (timeout 20 inotifywait -q -m -r --format '%e %f' watched >events 2>&1 & echo $! >pid); until grep -qs inotify /proc/"$(pgrep -n inotifywait)"/fdinfo/3; do sleep 0.05; done; sleep 0.3
echo a >watched/a; mv watched/a watched/b; chmod 600 watched/b; mkdir watched/sub; sleep 0.3; : >watched/sub/deep; rm watched/b; sleep 0.5; pkill inotifywait; cat events
(inotifywait -q -t 20 -e delete_self watched/sub/deep --format '%e'; echo "status $?") & sleep 0.5; rm watched/sub/deep; wait %% 2>/dev/null; wait
inotifywait -q -t 1 watched; echo "timeout $?"; (sleep 0.5; for i in 1 2 3; do : >watched/f$i; done) & inotifywatch -t 2 -e create watched 2>/dev/null | tr -s ' '; wait
