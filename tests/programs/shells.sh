# SPDX-License-Identifier: MIT
# image: more
# Other shells, busybox's applets, awk, calculators and a line editor.

cat >script <<'S'
f() { if [ $1 -le 1 ]; then echo 1; return; fi; echo $(($1 * $(f $(($1 - 1))))); }
f 6; set -- a "b c" d; echo $# "$2"; trap 'echo leaving' EXIT; for i in 1 2 3; do (exit $i); printf '%s ' $?; done; echo
sleep 0.1 & wait $!; echo "waited $?"; x=abcdef; echo ${x#abc} ${x%def} ${#x}; cat <<E | tr a-z A-Z
here $x
E
case $x in a*) echo matched;; esac; kill -TERM $$; echo not reached
S
for shell in dash ksh bash 'busybox sh'; do $shell script 2>/dev/null; echo "$shell $?"; done
fish --no-config -c 'for i in (seq 3); echo $i; end; set x (math 6 x 7); echo $x; function g; echo in $argv; end; g a b; echo one two | string split " "; true; and echo and; false; or echo or; string match -r "b+" abbbc; sleep 0.1 & ; wait; echo waited'
printf 'echo from a session\nexit 3\n' | script -qec 'ksh' /dev/null >session 2>&1; echo "status $?"; grep -aq 'from a session' session && echo shown

busybox --list | wc -l | awk '{ print ($1 > 200 ? "many applets" : "few") }'; seq 5 | busybox awk '{ s += $1 } END { print s }'; busybox sed -n 2p script | wc -c; busybox find / -maxdepth 1 -name tmp; busybox expr 6 \* 7; busybox dd if=/dev/zero bs=1k count=3 2>/dev/null | busybox md5sum
busybox tar cf a.tar script && busybox tar tf a.tar; busybox gzip -c script | busybox zcat | cmp - script && echo same; busybox ps >/dev/null; echo "ps $?"; echo 'a.b' | busybox cut -d. -f2; busybox stat -c %F .; busybox timeout 1 busybox sleep 5; echo "timeout $?"
busybox top -bn1 </dev/null | busybox head -n 1 | busybox cut -c1-4; busybox free | busybox awk 'NR == 1 { print NF }'; busybox pidof nobody_at_all; echo "pidof $?"; busybox usleep 1000; busybox time true 2>&1 | grep -c real; busybox mkfifo ff; busybox test -p ff && echo fifo; busybox realpath . | grep -c programs; busybox xargs -n 2 echo <<<"1 2 3 4"

gawk 'BEGIN { "echo piped" | getline x; print x; print "b\na" | "sort"; close("sort"); printf "%.3f %s\n", sqrt(2), strftime("%Y", 0, 1); n = split("a:b:c", p, ":"); print n, p[2]; print gensub(/(a)(b)/, "\\2\\1", "g", "abab"); PROCINFO["sorted_in"] = "@ind_str_asc"; q["z"]; q["y"]; for (k in q) print k }'
gawk 'BEGIN { c = "cat"; print "coprocess" |& c; close(c, "to"); c |& getline x; print x; system("exit 3"); print ENVIRON["LC_ALL"], PROCINFO["pid"] > "/dev/stderr"; print "done" }'
echo 'scale=30; 4*a(1); 2^200; ibase=16; FF' | bc -l; echo '5 k 2 v p 7 3 % p' | dc; printf 'define f(n) { if (n<2) return n; return f(n-1)+f(n-2) }\nf(15)\n' | bc
printf 'a\none\ntwo\nthree\n.\n2d\n1,$s/e/E/g\n,p\nw edited\n!echo from ed\nq\n' | ed -s; cat edited
