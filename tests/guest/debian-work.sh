#!/bin/bash
# SPDX-License-Identifier: MIT
# Ordinary work with Debian's programs: thousands of processes, long pipelines, trees of
# files, archives, background jobs, users.  The output is the same, byte for byte, on
# every system that keeps Linux's promises, with any number of CPUs: it shows no time of
# now, process number, inode, or size of a disk.
#
# usage: bash debian-work.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
umask 022
work=${1:-/tmp}/debian-work here=$(dirname "$(readlink -f "$0")")
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 1
chmod 755 .

. "$here/till.sh"

section() {
    printf '=== %s\n' "$*"
    [ -z "$SHELL_TIMES" ] || echo "$(date +%s) $*" >&2
}
show() { printf '%s -> %s\n' "$1" "$2"; }

section forks
count=0
for ((i = 0; i < 600; i++)); do
    (exit $((i % 3))) || count=$((count + $?))
done
show subshells $count
for ((i = 0; i < 60; i++)); do /bin/true; done
show programs $?
show substitutions "$(for i in {1..60}; do echo "$(echo $i)"; done | awk '{ s += $1 } END { print s }')"
deep() { [ "$1" -eq 0 ] && echo bottom || (deep $(($1 - 1))); }
show nested "$(deep 25)"
pids=()
for i in {1..40}; do (sleep 0.01; exit $i) & pids+=($!); done
sum=0
for job in "${pids[@]}"; do wait "$job"; sum=$((sum + $?)); done
show waited $sum

section a tree of files
mkdir -p src/{alpha,beta,gamma}/{one,two,three}/{x,y}
n=0
for d in src/*/*/*; do
    for f in 1 2 3 4 5 6; do
        n=$((n + 1))
        printf 'file %d in %s\n' $n "$d" >"$d/f$f.txt"
        printf 'int f%d(void) { return %d; }\n' $n $((n * 7)) >"$d/f$f.c"
    done
done
show files "$(find src -type f | wc -l)"
show directories "$(find src -type d | wc -l)"
find src -name '*.txt' -print0 | xargs -0 cat | sort | uniq -c | sort -rn | head -3 | cut -c1-40
find src -name 'f[12].c' | sort | tail -2
find src -type f -newer src/alpha/one/x/f1.txt -name nosuch
find src -path '*beta*' -name '*.c' -exec grep -l 'return 3[0-9]*;' {} + | sort
find src -type d -name y -prune -o -name 'f1.txt' -print | sort
find src -maxdepth 2 -mindepth 2 | sort | tr '\n' ' '; echo
find src -size +0 -size -2 -type f | wc -l
find src -type f -perm 644 | wc -l; find src -perm -u+x -type f | wc -l
find src -type f -printf '%s\n' | awk '{ s += $1 } END { print s, NR }'
find src -type f -name '*.c' | xargs -n 10 -P 4 wc -l | grep -c total
find src/alpha/one src/beta/two -type f | xargs -I{} basename {} | sort | uniq -c
find src -empty; find nosuch; show status $?
grep -r --include='*.txt' -c 'alpha' src | grep -v ':0' | wc -l
grep -rlE 'return (7|14|21);' src | sort
grep -rn 'file 5 ' src
diff -rq src src && show diff same

section text
seq 1 12000 | sed 's/\(.*\)/line \1 of the text/' >lines
show bytes "$(wc -c <lines)"
sed -n '100,103p;/11999/p' lines
sed -e 's/line/LINE/;s/\([0-9]\)\([0-9]\)/\2\1/g' -e '5q' lines
sed '1~1000!d' lines | wc -l
sed = lines | sed 'N;s/\n/:/' | tail -1
sed -n '/^line 10 /,/^line 12 /{s/of/OF/p}' lines
sed 'y/abcdefgh/ABCDEFGH/;2!d' lines
sed -n '$=' lines
cp lines edit; sed -i.bak -e '1,11990d' -e 's/$/!/' edit; cat edit; cmp edit.bak lines && show backup same
sed '1!G;h;$!d' edit | head -2
sed 's/line/x/w out' edit >/dev/null; wc -l <out
awk '{ s += $2; c[length($2)]++ } END { print s; for (i = 1; i <= 5; i++) print i, c[i] }' lines
awk -F'[ ]' 'NR % 4000 == 0 { printf "%08.3f|%-6s|%s\n", $2 / 7, $1, toupper($3) }' lines
awk 'BEGIN { while (("echo a b; echo c" | getline line) > 0) n += split(line, f, " "); print n; print substr("hello", 2, 3), index("hello", "l"), match("foobar", /o+/), RSTART, RLENGTH; x = "aaa"; print gsub(/a/, "b", x), x; print length("x"), sprintf("%c%d", 65, 3.9); printf "%s\n", tolower("ABC"); exit 3 }'
show awk $?
awk '{ print > ("by" length($2)) }' lines; wc -l by* | sort -k2
awk 'NR > 11998 { print | "sort -r" }' lines
awk -v a=5 'BEGIN { print a * 2, ENVIRON["TZ"], ARGC; print -3 % 2, 2 ^ 10, int(-2.5), 1e6, 0.1 + 0.2, 1 / 3 }' x
awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(16) }'
tr ' ' '\n' <lines | sort | uniq -c | sort -k1,1nr -k2 | head -4
cut -d' ' -f2 lines | paste -sd+ | bc
cut -d' ' -f2,1 lines | rev | sort -S 2M | md5sum
sort -k2,2n -r lines | sha256sum
split -l 2000 lines part.; cat part.* | cmp - lines && show parts "$(ls part.* | wc -l)"
comm -12 <(sort lines | head -1000) <(sort -r lines | tail -1000 | sort) | wc -l
join <(seq 1 3000 | sort) <(seq 1 7 3000 | sort) | wc -l
head -c 1000000 /dev/zero | tr '\0' 'abc' | fold -w 60 | md5sum
head -c 100000 lines | od -An -tx1 -v | awk '{ for (i = 1; i <= NF; i++) c[$i]++ } END { print c["20"], c["6c"], c["0a"] }'
nl -ba lines | tail -1; tac lines | head -1; rev lines | sed -n 3p

section long pipelines
seq 1 10000 | awk '{ print $1 * 3 }' | grep -v 7 | sed 's/^/n/' | tr n N | sort -t N -k2n | uniq | tail -n +100 | cksum
yes word | head -n 100000 | cat | cat | cat | cat | wc -l | sed 's/$/ words/'
for i in 1 2 3 4 5 6 7 8; do echo $i; done | while read -r x; do echo "$((x * x))"; done | sort -rn | tr '\n' ' ' | sed 's/ $//' | tee squares | wc -w
cat squares; echo
set -o pipefail; false | true; show pipefail $?; set +o pipefail
true | false | true; show statuses "${PIPESTATUS[*]}"
yes | head -n 1 >/dev/null; show sigpipe "${PIPESTATUS[0]}"
mkfifo pipe; (for i in {1..500}; do echo "message $i"; done >pipe) & awk 'END { print NR, $0 }' pipe; wait

section archives
tar -cf src.tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner src
show tar "$(sha256sum <src.tar)"
tar -tf src.tar | wc -l
tar -tvf src.tar | sed -n '1p;$p'
mkdir unpacked; tar -xf src.tar -C unpacked && diff -r src unpacked/src && show unpacked same
tar -xOf src.tar src/beta/two/y/f3.c
tar -rf src.tar squares; tar --delete -f src.tar squares; tar -df src.tar 2>&1 | grep -c 'differs'
for tool in gzip bzip2 xz; do
    $tool -k lines; $tool -t lines.?z* && show $tool ok
    $tool -dc lines.?z* | cmp - lines && show $tool same
    rm lines.?z*
done
tar -czf src.tgz src && tar -tzf src.tgz | wc -l
tar -cJf src.txz src && tar -xJf src.txz -C unpacked && diff -r src unpacked/src && show xz same
tar --sort=name -cf - src | gzip -9 | gzip -dc | tar -tf - | tail -1
tar -cf - -C src . | (mkdir copy; cd copy; tar -xpf -); diff -r src copy && show copy same
gzip -c <lines | head -c 1000 | gzip -dc 2>&1 >/dev/null | sed 's/^[^:]*: //'
show broken "${PIPESTATUS[2]}"
zcat src.tgz | tar -xOf - src/alpha/one/x/f1.txt; xzcat src.txz | wc -c | awk '{ print ($1 > 100000) }'
tar -xf nosuch.tar 2>&1 | head -2; tar -cf x.tar nosuch 2>&1 | head -1
rm -rf unpacked copy; ls

section jobs and traps
trap 'echo trapped USR1' USR1; kill -USR1 $$; trap - USR1
(trap 'echo leaving; exit 5' EXIT; exit 2); show exit $?
(trap 'echo got TERM; exit 9' TERM; : >trapped; sleep 5 & wait) & till '[ -e trapped ]'; rm trapped; kill -TERM $!; wait $!; show status $?
sleep 50 & kill $!; wait $! 2>/dev/null; show killed $?
sleep 50 & kill -9 $!; wait $! 2>/dev/null; show killed $?
wait; (sleep 0.5; exit 3) & (sleep 4; exit 4) & wait -n; show first $?; wait -n; show second $?; wait -n; show none $?
(kill -STOP $BASHPID; echo continued) & till 'grep "^State:.T" /proc/$!/status'; kill -CONT $!; wait $!; show stopped $?
bash -c 'trap "" INT; kill -INT $$; echo ignored'
bash -c 'kill -SEGV $$' 2>/dev/null; show segv $?
bash -c 'ulimit -f 1; head -c 100000 /dev/zero >big' 2>/dev/null; show limit $?; stat -c %s big
coproc { while read -r line; do echo "co $line"; done; }
echo hello >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; show coproc "$answer"
exec {fd}>&"${COPROC[1]}"; kill $COPROC_PID; wait 2>/dev/null
(exec 9>locked; flock 9; (exec 9>&-; flock -n locked echo free; show lock $?))
timeout 0.2 bash -c 'while :; do :; done'; show timeout $?
setsid bash -c 'ps -o sid= -p $$ 2>/dev/null | wc -w' >/dev/null; show setsid $?
nohup bash -c 'echo hup' 2>/dev/null
time_limit=$(bash -c 'ulimit -t 1; while :; do :; done' 2>/dev/null; echo $?); show cpu "$time_limit"

section permissions
cat >who.sh <<'END'
id -un; id -G; pwd; umask; echo $HOME; cat /etc/shadow; echo shadow $?
touch /root/x; mkdir /etc/new; rm -f /etc/passwd; echo x >/etc/passwd; ls /root; kill -0 1
echo mine >$HOME/mine && cat $HOME/mine && rm $HOME/mine
cp /bin/true $HOME/true && chmod 4755 $HOME/true && stat -c '%A %U' $HOME/true; rm $HOME/true
chown root $HOME; chmod 700 /; chgrp root $HOME; ln -s /etc/shadow $HOME/s; cat $HOME/s; rm $HOME/s
mount -t tmpfs none /mnt; hostname other; date -s 2020-01-01 >/dev/null; nice -n -5 true; echo nice $?
END
chmod 644 who.sh
su user -c "cd $work && sh ./who.sh" 2>&1
su - user -c 'id; echo $SHELL $LOGNAME $USER; cd; pwd' 2>&1
runuser -u user -- id -u
su nosuch -c true; show su $?
setpriv --reuid=1000 --regid=1000 --clear-groups id
mkdir -m 1777 shared; echo root >shared/r; su user -c "cd $work; rm -f shared/r; echo u >shared/u; mv shared/r shared/s" 2>&1; ls shared
mkdir -m 711 secret; echo x >secret/known; su user -c "cd $work; ls secret; cat secret/known" 2>&1
mkdir -m 2775 team; chgrp user team; touch team/file; mkdir team/dir; stat -c '%n %A %G' team/file team/dir
printf '#!/bin/sh\necho ran as $(id -un)\n' >script; chmod 700 script; su user -c "$work/script" 2>&1; show status $?
chmod 755 script; su user -c "$work/script"; chmod 644 script; ./script; show status $?
cp /usr/bin/id sid; chmod 6755 sid; su user -c "$work/sid" ; chown user sid; chmod 4755 sid; ./sid -un
useradd -m -s /bin/bash -G tty guest && su - guest -c 'id -Gn; pwd; ls -A' ; userdel -r guest 2>/dev/null; id guest
groupadd crew && usermod -aG crew user && su user -c 'id -Gn'; gpasswd -d user crew; groupdel crew
echo 'user:secret' | chpasswd 2>&1; passwd -S user | cut -d' ' -f1,2; passwd -d user; passwd -S user | cut -d' ' -f1,2
chage -d 2024-02-03 user; chage -l user | head -1; getent passwd user root; getent group tty; getent hosts localhost | awk '{ print $2 }'

section odds and ends
echo 'scale=40; 4*a(1)' | bc -l; printf '%s\n' '2^200' 'define f(n) {' 'if (n < 2) return (1);' 'return (n * f(n - 1));' '}' 'f(30)' 'obase=16; 255' | bc
file -b src.tgz lines script /bin/true who.sh | sed 's/, BuildID.*//;s/, from.*//;s/, interp.*//;s/, last modified.*//'
printf 'a,b,c\nlonger,x,y\n' | column -t -s,; hexdump -C squares | head -2; printf 'ab\ncd\n' | rev
printf 'one\ntwo\nthree\n' >o1; sed s/two/2/ o1 >o2; diff o1 o2; diff -u --label a --label b o1 o2 >o.patch; cat o.patch; diff3 o1 o2 o1; sdiff -w 30 o1 o2; cmp o1 o2
vim.tiny -es -u NONE -c '%s/two/TWO/' -c wq o1 </dev/null >/dev/null 2>&1; show vim $?; cat o1
less o1 | cat; more o1 | cat
xargs -a o1 -n1 echo item; echo 'a b' | xargs -n1 -t echo 2>&1; echo x | xargs false; show xargs $?; xargs -r echo </dev/null
getopt -o ab: --long all,file: -- -a --file=x y; namei -m /usr/bin/env | tail -1; mcookie | wc -c; look -f appl <(echo apple) 2>/dev/null
logger nothing 2>/dev/null; rename.ul 2>/dev/null; cal 2 2024 2>/dev/null | head -2; script -qec 'echo typed' /dev/null </dev/null | tr -d '\r'
which sh awk nosuch; run-parts --list /etc/update-motd.d 2>/dev/null; ischroot; mountpoint -q /; lsblk >/dev/null 2>&1
cd / && rm -rf "$work"
echo done
