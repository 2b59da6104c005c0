#!/bin/sh
# SPDX-License-Identifier: MIT
# Shell work whose output is the same, byte for byte, on every system that keeps Linux's
# promises: it shows no time, process number, inode or size of a directory.
#
# usage: sh shell.sh [DIRECTORY]     works in a new directory below DIRECTORY (/tmp)
# It runs in busybox's sh and in bash; `tests/guest/shell-both.sh` runs it in both.

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
TZ=UTC
export PATH LC_ALL TZ
umask 022
work=${1:-/tmp}/shell-work
rm -rf "$work"
mkdir -p "$work" || exit 1
cd "$work" || exit 1

section() { echo "=== $*"; [ -z "$SHELL_TIMES" ] || echo "$(date +%s) $*" >&2; }
show() { echo "$1 -> $2"; }
fact() { [ "$1" -le 1 ] && echo 1 || echo $(($1 * $(fact $(($1 - 1))))); }

section functions and loops
fact 10
total=0
for i in 1 2 3 4 5; do total=$((total + i)); done
show sum $total
i=0
while [ $i -lt 10 ]; do
    i=$((i + 1))
    [ $i -eq 3 ] && continue
    [ $i -eq 6 ] && break
    printf '%d ' $i
done
echo
until [ $i -eq 0 ]; do i=$((i - 1)); done
show i $i
outer() { local x=inside; inner; show outer $x; }
inner() { x=changed; return 7; }
x=global
outer
inner || show status $?
show x $x

section arithmetic
echo $((2 + 3 * 4)) $(((2 + 3) * 4)) $((17 / 5)) $((17 % 5)) $((-17 / 5)) $((1 << 20))
echo $((0x1f)) $((010)) $((5 > 3 && 2 < 1)) $((5 & 6 | 8 ^ 3)) $((!0)) $((~0))
a=5; echo $((a += 3)) $((a *= 2)) $a $((a > 10 ? 111 : 222))
echo $((9223372036854775807 + 1))
expr 6 \* 7
expr abcdef : 'ab\(.*\)f'

section parameters
set -- one 'two words' three
show count $#
for word in "$@"; do printf '<%s>' "$word"; done; echo
shift; show first "$1"
v=archive.tar.gz
echo ${v%.*} ${v%%.*} ${v#*.} ${v##*.} ${#v} ${unset_one:-default} ${v:+set}
echo "${unset_two-dash}" "${v:=never}" "${unset_three:=assigned}" "$unset_three"
( : ${unset_four:?is missing} ) 2>/dev/null; show status $?
IFS=:; set -- $(echo a:b:c); unset IFS; show fields "$#$1$2$3"

section quoting and here documents
name=value
cat <<END
expanded $name $(echo sub) $((1 + 1)) \$escaped
END
cat <<'END'
literal $name $(echo sub) `x` \n
END
cat <<-END
	tabs are cut
		from the front
	END
echo "a   b" a   b 'single "double" inside' "double 'single' inside"
printf '%s|%5d|%-5s|%05.1f|%x|%o|%c|%%\n' str 42 ab 3.14159 255 8 char
printf '%b\n' 'tab\there\\ \0101'

section case and test
for word in apple Banana 42 '' 'x y' file.c; do
    case $word in
    [a-z]*.c) kind=source ;;
    [a-z]*' '*) kind=spaced ;;
    [a-z]*) kind=lower ;;
    [A-Z]*) kind=upper ;;
    [0-9]|[0-9][0-9]) kind=number ;;
    '') kind=empty ;;
    *) kind=other ;;
    esac
    show "$word" $kind
done
: > empty; echo data > full; mkdir dir; ln -s full sym; ln -s nowhere dangling
mkfifo fifo
for test in '-e full' '-f full' '-d full' '-s empty' '-s full' '-d dir' '-h sym' \
    '-e dangling' '-h dangling' '-p fifo' '-x full' '-r full' '-w full' '-c /dev/null'; do
    [ $test ]; show "$test" $?
done
[ abc = abc ] && [ abc != abd ] && [ 10 -gt 9 ] && [ -z "" ] && [ -n x ] && echo tests
[ full -ef sym ]; show same $?

section exit statuses
true; show true $?
false; show false $?
(exit 42); show subshell $?
sh -c 'exit 255'; show exit $?
sh -c 'kill -9 $$' 2>/dev/null; show killed $?
sh -c 'kill -TERM $$' 2>/dev/null; show terminated $?
nosuchcommand 2>/dev/null; show missing $?
./full 2>/dev/null; show unexecutable $?
! true; show negated $?
false | true; show pipeline $?
true | false; show pipeline $?
false || true && echo chained
{ echo group; false; }; show group $?

section pipelines
seq 1 100 | sed -n '/7/p' | tr '\n' ' ' | sed 's/ $//'; echo
seq 1000 | awk '{ s += $1 } END { print s }'
printf 'pear\napple\nfig\napple\n' | sort | uniq -c | sort -rn | awk '{ print $2, $1 }'
echo 'the quick brown fox' | tr 'a-z' 'A-Z' | rev
seq 20 | head -n 5 | tail -n 2 | xargs echo last
seq 1 9 | xargs -n 3 echo row
seq 3 | while read n; do echo "line $n"; done
echo "a b c" | { read x y; echo "$y $x"; }
seq 5 | tee copy | wc -l; cat copy | paste -s -d+ -
yes | head -n 100000 | wc -lc
cat < full | cat | cat | cat | cat | cat | cat | cat

section redirections
echo one > out; echo two >> out; cat out
echo err 1>&2 2> errors; ls nosuch > both 2>&1; wc -l < both
{ echo to-out; echo to-err >&2; } 2> errors > output; cat errors output
exec 3> three; echo via three >&3; exec 3>&-; cat three
exec 4< out; read line <&4; read second <&4; exec 4<&-; show "$line" "$second"
cat <out 5<full <&5
( echo x >&7 ) 2>/dev/null; show closed $?
set -C; ( echo y > out ) 2>/dev/null; show noclobber $?; set +C
: > out; wc -c < out
echo rw 1<> rwfile; cat rwfile
ls -d /nosuch /tmp 2>/dev/null

section command substitution and subshells
echo "$(echo "nested $(echo "deep $(echo deeper)")")"
echo `echo back \`echo ticks\``
count=$(seq 10 | wc -l); show count $count
(cd dir; x=sub; pwd | sed "s|$work|WORK|"); pwd | sed "s|$work|WORK|"
show trailing "$(printf 'newlines\n\n\n')"

section files
mkdir -p deep/a/b/c/d/e; echo leaf > deep/a/b/c/d/e/leaf
cp deep/a/b/c/d/e/leaf leaf; cp -r deep copied; find copied | sort
mv copied moved; [ -d copied ]; show moved $?; rm -r moved; [ -d moved ]; show gone $?
echo content > original; ln original hard; ln -s original soft; echo more >> hard
cat original; readlink soft; stat -c %h original; rm original; cat hard
cat soft 2>/dev/null; show dangling $?
chmod 640 hard; touch -d '2020-02-03 04:05:06' hard; ls -l hard
chmod 4755 leaf; touch -d '2021-01-01 00:00:00' leaf; ls -l leaf
chmod u+x,go-r full; stat -c '%a %A %F %s' full; stat -c '%A %F' dir sym fifo
umask 077; : > private; mkdir privdir; umask 022; stat -c '%a %n' private privdir
mkdir dir 2>/dev/null; show exists $?
rmdir deep 2>/dev/null; show not-empty $?
rm nosuch 2>/dev/null; show nosuch $?; rm -f nosuch; show force $?
mkdir -p a/b; cd a/b; cd ..; pwd | sed "s|$work|WORK|"; cd "$work"
cd - >/dev/null; cd "$work"; cd dir && cd .. && echo back
ln -s dir dirlink; echo in > dirlink/file; cat dir/file; rm -r dirlink; [ -d dir ]; show kept $?
mv -f hard dir/; ls dir

section globbing
mkdir glob; cd glob
touch a1 a2 b1 .hidden 'with space' Z '[x]'
echo *; echo a?; echo [ab]1; echo [!a]*; echo .h*; echo nomatch*
for f in *' '*; do show glob "$f"; done
echo "*" '*' \*; set -f; echo *; set +f
cd "$work"; echo */file d*/f* | tr ' ' '\n' | sort

section text tools
printf 'b:2:x\na:1:y\nc:3:z\n' > table
sort table; sort -t: -k2 -nr table; cut -d: -f1,3 table; awk -F: '{ print $2 * 2, $1 }' table
grep -n '^a' table; grep -v a table; grep -c . table; grep -E 'b|c' table; grep -q zzz table
show grep $?
sed -e 's/\([a-z]\):\([0-9]\)/\2-\1/' -e '2d' table; sed -n '$=' table
awk 'BEGIN { for (i = 0; i < 3; i++) printf "%d ", i * i; print "" }'
awk '{ n[length($0)]++ } END { for (k in n) print k, n[k] }' table
tr -d ':' < table; tr -s 'a' <<END
aaab
END
seq 12 | paste - - - -; nl table; fold -w 3 full; expand table | head -n 1
printf 'x\ny\n' > f1; printf 'x\nz\n' > f2; diff f1 f2; cmp f1 f2; show cmp $?
od -An -c f1; od -An -tx1 f1; hexdump -C f1; xxd f1
dd if=/dev/zero bs=512 count=3 2>/dev/null | wc -c
printf abcdefghij | dd bs=1 skip=3 count=4 2>/dev/null; echo
printf XY | dd of=full bs=1 seek=2 conv=notrunc 2>/dev/null; cat full; echo
echo hello | md5sum; echo hello | sha256sum | cut -c 1-16; echo hello | base64
seq 5 | tac | tr '\n' ' '; echo; basename /a/b.c .c; dirname /a/b.c
echo 'compress me' | gzip -c | gunzip -c; tar cf t.tar dir; tar tf t.tar | sort
env -i A=1 B=2 env | sort; seq -s, 2 3 14; factor 360

section background jobs and signals
(sleep 0; exit 3) & wait $!; show background $?
for i in 1 2 3; do (exit $i) & eval "p$i=$!"; done
wait $p3; show three $?; wait $p1; show one $?; wait $p2; show two $?
sleep 100 & kill $!; wait $! 2>/dev/null; show killed $?
sleep 100 & kill -9 $!; wait $! 2>/dev/null; show killed $?
{ sleep 0; echo late; } & wait; echo after
trap 'echo trapped USR1' USR1; kill -USR1 $$; echo continued; trap - USR1
sh -c 'trap "echo bye" EXIT; echo working'
sh -c 'trap "echo got TERM; exit 9" TERM; kill -TERM $$; echo not reached'; show trap $?
sh -c 'trap "" TERM; kill -TERM $$; echo survived'
sh -c 'sleep 100 & p=$!; trap "kill $p; echo done; exit 0" TERM; (kill -TERM $$) & wait'
sh -c 'kill -STOP $$; echo resumed' & p=$!; while :; do kill -CONT $p 2>/dev/null || break; \
    sleep 0.05; done; wait $p; show stopped $?
seq 100000 | head -n 1; echo survives
cat fifo & echo through > fifo; wait
timeout 1 sleep 100; show timeout $?

section larger data
dd if=/dev/zero bs=65536 count=64 2>/dev/null | tr '\0' 'x' > big; wc -c < big; md5sum < big
cat big big | cat | md5sum
seq 50000 | md5sum; seq 10000 | sort -rn | sort -n | md5sum
seq 20000 | gzip -c | gunzip -c | md5sum
awk 'BEGIN { for (i = 0; i < 10000; i++) print i * 7 % 1000 }' | sort -n | uniq | wc -l
split_me() { while read -r line; do echo "$line" >> "part$((line % 3))"; done; }
seq 300 | split_me; wc -l part0 part1 part2; md5sum part?
d=tree; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do d=$d/level$i; done
mkdir -p $d; echo bottom > $d/file; cat $d/file; find tree | wc -l; find tree -type f | wc -c
mkdir many; for i in $(seq 500); do echo $i > many/f$i; done
ls many | wc -l; cat many/* | md5sum; find many -name 'f*5' | sort | md5sum; rm -r many tree
truncate -s 1000000 holes; wc -c < holes; md5sum < holes; truncate -s 10 holes; wc -c < holes

section many processes
i=0; while [ $i -lt 100 ]; do /bin/busybox true || echo bad; i=$((i + 1)); done; show ran $i
for i in 1 2 3 4 5 6 7 8 9 10; do (for j in 1 2 3 4 5; do echo $i $j; done) & done | sort -n \
    | md5sum; wait
x=; for i in $(seq 50); do x=$x$(echo $((i % 10))); done; show substituted $x
recurse() { [ $1 -eq 0 ] && echo bottom || (recurse $(($1 - 1))); }
recurse 20

section the other shell
bash -c 'a=(1 2 3); echo ${a[1]} ${#a[@]} ${a[@]/2/x}; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}'
bash -c 'set -o pipefail; false | true; echo $?; echo ${PIPESTATUS[@]}'
bash -c 'printf -v v %03d 7; echo $v; declare -A m=([k]=v); echo ${m[k]}; echo {1..5} {a,b}{1,2}'
bash -c 'f() { local n=$1; ((n < 2)) && echo $n || echo $(($(f $((n-1))) + $(f $((n-2))))); }; f 10'
bash -c 'while read -r a b; do echo "$b-$a"; done <<< "x y"; coproc cat; echo co >&${COPROC[1]}
    read -r r <&${COPROC[0]}; echo $r'
busybox sh -c 'echo $((1+1)) "$@"' zero one two

cd /; rm -rf "$work"; [ -e "$work" ]; show cleaned $?
