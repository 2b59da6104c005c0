# SPDX-License-Identifier: MIT
# What tests/steward/run.sh runs in the instance `main` of tests/manifests/two-posix.manifest.
fail() {
    echo "failed: $*"
    zonectl list
    zonectl log steward
    exit 1
}
field() { # instance, number of a field of `list`
    zonectl --plain list | grep "^$1	" | cut -f"$2"
}
wait_for() { # instance, field, value
    for n in $(seq 300); do
        [ "$(field "$1" "$2")" = "$3" ] && return
        sleep 0.1
    done
    fail "$1: field $2 is '$(field "$1" "$2")', not '$3'"
}
refused() { # status, words, command...
    status=$1 words=$2
    shift 2
    out=$("$@" 2>&1)
    [ $? = "$status" ] || fail "$*: another status than $status: $out"
    case $out in *"$words"*) ;; *) fail "$*: says '$out', not '$words'" ;; esac
}
[ -c /dev/steward ] || fail "no /dev/steward"
[ "$(zonectl --plain list | cut -f1 | tr '\n' ' ')" = "main worker noise " ] || fail "list"
[ "$(field main 4)" = yes ] || fail "main has the terminal"
# Its own root and command line, and no terminal: it writes to its log.
for n in $(seq 300); do
    zonectl log worker | grep -q working && break
    sleep 0.1
done
zonectl log worker | grep -q '^working' || fail "log of worker"

# A crash: restarted, as its policy says.
zonectl kill worker || fail kill
wait_for worker 7 2
wait_for worker 2 up
# An end that is asked for: it stays down until it is started.
zonectl stop worker -t 30 >/dev/null || fail stop
[ "$(field worker 2)" = down ] || fail "worker is down"
[ "$(field worker 9)" = "exit, code 0" ] || fail "worker ended in order"
sleep 0.5
[ "$(field worker 2)" = down ] || fail "worker stays down"
zonectl start worker || fail start
wait_for worker 2 up
zonectl restart worker -t 30 >/dev/null || fail restart
wait_for worker 7 4
# One that does not listen is killed at its deadline.
zonectl stop noise -t 0.3 >/dev/null || fail "stop noise"
[ "$(field noise 2)" = down ] || fail "noise is down"

# Its capabilities: memory, one vCPU at least, the right to signal the steward.
zonectl --plain caps worker >/tmp/caps || fail caps
[ "$(cut -f2 /tmp/caps | grep -c memory)" -ge 1 ] && grep -q '	vcpu	' /tmp/caps && grep -q 'domain' /tmp/caps || fail "caps: $(cat /tmp/caps)"
grep -q '	port	' /tmp/caps && fail "worker has ports"
zonectl --plain caps main | grep -q '	port	3f8	400	' || fail "main has the terminal's ports"
zonectl --plain top --once -d 0.5 >/tmp/top || fail top
[ "$(cut -f1 /tmp/top | tr '\n' ' ')" = "main worker steward kernel idle " ] || fail "top: $(cat /tmp/top)"
# NAME CPU KIB CROSSINGS UPCALLS FAULTS IPC SWITCHES SLOTS PROGRAMS INTERRUPTS: what the kernel did is not less than for main alone.
of() { grep "^$1	" /tmp/top | cut -f"$2"; }
[ "$(sed 's/[^	]//g' /tmp/top | sort -u | wc -c)" = 11 ] || fail "fields of top: $(cat /tmp/top)"
[ "$(of kernel 3)" -gt 1000 ] && [ "$(of kernel 11)" -gt 0 ] && [ "$(of main 4)" -gt 0 ] || fail "top, kernel: $(cat /tmp/top)"
for f in 4 5 6 7 8; do
    [ "$(of kernel $f)" -ge "$(of main $f)" ] || fail "top, field $f: $(cat /tmp/top)"
done
case "$(of steward 5) $(of main 10) $(of idle 3) $(of kernel 2)" in *[0-9]" "*[0-9]" "*[0-9]" -") ;; *) fail "top, fields: $(cat /tmp/top)" ;; esac

refused 1 "there is no instance: nobody" zonectl stop nobody
refused 1 "worker is up" zonectl start worker
refused 1 "noise is down" zonectl kill noise
refused 1 "how much" zonectl reclaim worker 5
refused 2 "there is no command" zonectl dance
refused 2 "wants seconds" zonectl stop worker -t soon
refused 2 "wants more" zonectl stop
refused 2 "wants less" zonectl list all
printf 'dance' >/dev/steward || fail "a bad request is answered, not refused by the device"
# Only root speaks to the steward.
if command -v setpriv >/dev/null; then
    setpriv --reuid 1000 zonectl list >/dev/null 2>&1 && fail "an ordinary user was let in"
fi
# Many ends in a row give everything back.
# Spaces come and go with main's own processes, and some are kept for the next ones.
before=$(zonectl --plain caps main | grep -vc '	space	')
kernel() { # its counts so far: upcalls, faults, switches and interrupts, of all domains that are and were
    exec 3<>/dev/steward
    printf top >&3
    grep '^kernel' <&3 | cut -f4,5,8,9
    exec 3>&-
}
counted=$(kernel)
zonectl stop worker -t 1 >/dev/null
for n in 1 2 3 4 5; do
    zonectl start worker || fail "start in round $n"
    zonectl kill worker || fail "kill in round $n"
    zonectl stop worker -t 1 >/dev/null 2>&1
    wait_for worker 2 down
done
[ "$(zonectl --plain caps main | grep -vc '	space	')" = "$before" ] || fail "main has other capabilities now"
set -- $counted $(kernel)
[ $# = 8 ] && [ "$5" -ge "$1" ] && [ "$6" -ge "$2" ] && [ "$7" -gt "$3" ] && [ "$8" -gt "$4" ] || fail "the kernel's counts fell when instances ended: $*"
zonectl --help | grep -q SYNOPSIS || fail help
exit 0
