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
[ "$(cut -f1 /tmp/top | tr '\n' ' ')" = "main worker steward idle " ] || fail "top: $(cat /tmp/top)"

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
zonectl stop worker -t 1 >/dev/null
for n in 1 2 3 4 5; do
    zonectl start worker || fail "start in round $n"
    zonectl kill worker || fail "kill in round $n"
    zonectl stop worker -t 1 >/dev/null 2>&1
    wait_for worker 2 down
done
[ "$(zonectl --plain caps main | grep -vc '	space	')" = "$before" ] || fail "main has other capabilities now"
zonectl --help | grep -q SYNOPSIS || fail help
exit 0
