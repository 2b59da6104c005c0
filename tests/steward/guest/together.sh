# SPDX-License-Identifier: MIT
# What tests/steward/run.sh runs in `main` of tests/manifests/side-by-side.manifest: all four make progress in the same stretch of time, and
# memory that is asked of the other POSIX instance is given.
fail() {
    echo "failed: $*"
    zonectl list
    zonectl log steward
    exit 1
}
starts() { zonectl --plain list | grep "^$1	" | cut -f7; }
ended() { zonectl --plain list | grep "^$1	" | cut -f9; }
working() { zonectl log worker | grep -c '^[1-9]'; }
answered() { zonectl log steward | grep -c 'worker: asked for 4096 KiB, answered .* gave 4096, by force 0'; }
until_more() { # before, command that counts...
    before=$1
    shift
    for n in $(seq 600); do
        [ "$("$@")" -gt "$before" ] && return
        sleep 0.1
    done
    fail "$*: no more than $before"
}
# hello and rt run to their ends, and are started anew.
worker=$(working) hello=$(starts hello) rt=$(starts rt)
sum=$(seq 1 3000 | md5sum)
until_more "$hello" starts hello
until_more "$rt" starts rt
until_more "$worker" working
[ "$(ended hello)" = "exit, code 0" ] || fail "hello: $(ended hello)"
case $(ended rt) in "exit, code "*) ;; *) fail "rt: $(ended rt)" ;; esac
[ "$(seq 1 3000 | md5sum)" = "$sum" ] || fail "main computes something else"
# Its root is the shell's, not main's.
[ "$(zonectl log worker | grep '^[1-9]' | tail -n 1)" != "$(ls / | wc -l)" ] || fail "worker has main's root"

zonectl reclaim worker 4M -t 60 || fail reclaim
until_more 0 answered
until_more "$(working)" working
exit 0
