#!/bin/bash
# SPDX-License-Identifier: MIT
# The second half of a day's work with Debian's programs (debian-work.sh is the first):
# scripts that use the shell to its limits, thousands of processes, job control, traps,
# locks, dates, tables, permissions.  The output is the same, byte for byte, on every system
# that keeps Linux's promises, with any number of CPUs.
#
# usage: bash debian-work-2.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
umask 022
work=${1:-/tmp}/debian-work-2 here=$(dirname "$(readlink -f "$0")")
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 1
chmod 755 .

. "$here/till.sh"

section() {
    printf '=== %s\n' "$*"
    [ -z "$SHELL_TIMES" ] || echo "$(date +%s) $*" >&2
}
show() { printf '%s -> %s\n' "$1" "$2"; }

section thousands of processes
total=0
for ((round = 0; round < 10; round++)); do
    for ((i = 0; i < 50; i++)); do (exit $i) & done
    while wait -n; status=$?; [ $status -ne 127 ]; do total=$((total + status)); done
done
show statuses $total
fibonacci() {
    [ "$1" -lt 2 ] && { echo "$1"; return; }
    echo $(($(fibonacci $(($1 - 1))) + $(fibonacci $(($1 - 2)))))
}
show fibonacci "$(fibonacci 9)"
show echoed "$(seq 1 100 | xargs -P 8 -n 1 sh -c 'echo $0' | awk '{ s += $1 } END { print s, NR }')"
show read "$(seq 1 100 | while read -r n; do echo "$n" | cat; done | md5sum)"
tree_of() { [ "$1" -eq 0 ] || { tree_of $(($1 - 1)) & tree_of $(($1 - 1)) & wait; }; echo "$1"; }
tree_of 5 | sort | uniq -c
chain=0
for ((i = 0; i < 5; i++)); do
    chain=$(echo $chain | cat | awk '{ print $1 + 1 }' | cat | sed 's/$/ /' | tr -d ' ' | cat | tail -1)
done
show chain "$chain"

section shell language
declare -a list=(one two "three four" [7]=eight)
declare -A map=([red]=1 [green]=2 ["light blue"]=3)
show array "${#list[@]} ${!list[*]} ${list[@]: -1} ${list[2]}"
for key in "${!map[@]}"; do echo "$key=${map[$key]}"; done | sort
list+=(nine); unset 'list[1]'; show array "${list[*]} ${list[*]/o/0}"
mapfile -t lines < <(printf 'a b\nc\n\nd\n'); show mapfile "${#lines[@]} ${lines[0]} ${lines[3]}"
text='The quick brown fox'
show substring "${text:4:5}|${text: -3}|${text#* }|${text##* }|${text% *}|${text%% *}"
show replace "${text/quick/slow}|${text//o/0}|${text/#The/A}|${text/%fox/dog}|${#text}"
show case "${text^^}|${text,,}|${text~}|${text@Q}|${text@U}"
unset nothing; empty=
show default "${nothing:-a}${nothing-b}${empty:-c}${empty-d}${nothing:+e}${text:+f}"
(: "${nothing:?is missing}") 2>&1 | sed 's/.*nothing/nothing/'; (set -u; echo $nothing) 2>/dev/null; show unset $?
show arithmetic "$((7 / 2)) $((-7 % 3)) $((2 ** 40)) $((0x1f + 010 + 2#101)) $((5 > 3 ? 1 : 2)) $((1 << 62)) $((~0))"
((x = 5, x += 3, x <<= 2)); show let "$x $((x++)) $((--x)) $((x & 12 | 3 ^ 1))"
((1 / 0)) 2>/dev/null; show division $?
show overflow "$((9223372036854775807 + 1))"
echo {a..e} {1..10..3} {01..03} pre{x,y}post {z..w} a{b,c{d,e}}f
shopt -s extglob nullglob
touch f1.txt f2.txt g1.c
echo *.txt !(*.txt) @(f|g)1.* *.nosuch [!f]*; shopt -u nullglob; echo *.nosuch
case $text in *quick*) echo matched ;;& The*) echo again ;& none) echo through ;; *) echo not ;; esac
[[ $text =~ q([a-z]+)\ b ]] && show regex "${BASH_REMATCH[1]}"
[[ abc < abd && -f f1.txt && ! -d f1.txt && f1.txt -nt /etc/passwd || x == y ]] && echo conditions
options() {
    local OPTIND=1 option
    while getopts :ab:c option; do
        case $option in
            a | c) echo "option $option" ;;
            b) echo "option b with $OPTARG" ;;
            :) echo "option $OPTARG lacks its value" ;;
            *) echo "no option $OPTARG" ;;
        esac
    done
    shift $((OPTIND - 1)); echo "rest: $*"
}
options -a -bvalue -c one two; options -x -b; options -ab value -- -c
local_and_global() { local x=inner; y=set; echo "$x"; return 7; }
x=outer; local_and_global; show function "$? $x $y"
reference() { local -n target=$1; target+=(added); }; reference list; show reference "${list[-1]}"
recurse() { (($1 == 0)) && echo "depth ${#FUNCNAME[@]}" || recurse $(($1 - 1)); }; recurse 200
cat <<END
expanded $((1 + 1)) $(echo sub) ${text:0:3} \$x \`y\`
END
cat <<'END'
not expanded $((1 + 1)) `date`
END
cat <<-END
	tabs are taken away
	END
cat <<<"here $x"; tr a-z A-Z <<END | rev
one $x
END
printf '%s|%5d|%-5s|%05.1f|%x|%c|%q|%b\n' str 42 ab 3.14159 255 char 'a b' 'x\ty'
printf '%s-%s\n' a b c d; printf '%(%Y-%m-%d %H:%M:%S)T\n' 86400; printf -v formatted '%03d' 7; show printf "$formatted"
printf '%d\n' 12abc 2>/dev/null; show status $?
IFS=: read -r user _ uid _ </etc/passwd; show passwd "$user $uid"
IFS=, read -ra fields <<<'a,b,,d'; show fields "${#fields[@]} ${fields[3]}"
read -r -n 3 part <<<abcdef; show part "$part"; read -r -d ';' part <<<'to here;rest'; show part "$part"
read -r -t 0.1 part < <(exec sleep 30); show timeout $(($? > 128)); read -r part </dev/null; show end $?
select choice in red green quit; do echo "chosen: $choice ($REPLY)"; [ "$choice" = quit ] && break; done <<<$'2\n9\n3' 2>&1
set -- a 'b c' d; show parameters "$# $2 ${*: -1} ${@:2:1}"; shift 2; show shifted "$*"; set -- ; show none $#
eval 'e=$((1+2)); echo evaluated $e'; command -v cd; type -t if cd ls recurse nosuch; hash -r
(set -e; false; echo not reached); show errexit $?; (set -e; if false; then :; fi; false || true; echo reached)
diff <(printf '1\n2\n3\n') <(printf '1\n3\n4\n'); tee >(wc -c >tee.out) <<<count >/dev/null; till '[ -s tee.out ]'; show tee "$(cat tee.out)"
exec 5>five; echo to five >&5; exec 5>&-; cat five; { echo both; echo err >&2; } >both 2>&1; wc -l <both
exec 6<>five; read -r line <&6; echo more >&6; exec 6>&-; cat five; (echo closed >&6) 2>/dev/null; show closed $?
set -C; (echo x >five) 2>/dev/null; show noclobber $?; echo x >|five; set +C; cat five nosuch 2>/dev/null; show cat $?
alias_file=alias.sh; printf 'shopt -s expand_aliases\nalias hi="echo hello"\nhi there\n' >$alias_file; bash $alias_file
printf 'echo "sourced with $#: $1"; return 3\n' >sourced; . ./sourced argument; show source $?
bash -c 'echo $0 $1 $#' name arg; bash -s x y <<<'echo $# $2'; echo 'echo from input' | bash; bash -n <<<'if' 2>/dev/null; show syntax $?
dash -c 'x=1; f() { local x=2; echo $x; }; f; echo $x; echo "a\tb"; [ 1 -lt 2 ] && echo dash'
bash nosuch 2>/dev/null; show nosuch $?; ./nosuch 2>/dev/null; show status $?; printf '#!/nosuch\n' >bad; chmod +x bad; ./bad 2>/dev/null; show status $?
printf 'echo without a first line: $1\n' >plain; chmod +x plain; ./plain yes; printf '#!/usr/bin/awk -f\nBEGIN { print "awk script", ARGV[1] }\n' >awks; chmod +x awks; ./awks arg
printf '#!/usr/bin/env -S bash -e\necho env script\n' >envs; chmod +x envs; ./envs; env -i A=1 B=2 env | sort; env -u TZ sh -c 'echo ${TZ-none}'

section traps and jobs
bash -c 'trap "echo exit \$?" EXIT; trap "echo error at \$LINENO" ERR; false; (exit 4); true; exit 2'; show status $?
bash -c 'trap "echo debug: \$BASH_COMMAND" DEBUG; x=1; echo $x; trap - DEBUG; echo off'
bash -c 'f() { echo in f; }; trap "echo returned" RETURN; f; trap - RETURN; f'
bash -c 'trap "echo one" USR1; trap "echo two" USR2; kill -USR1 $$; kill -USR2 $$; kill -USR1 $$; trap -p USR1'
bash -c 'trap "echo child ended" CHLD; set -m; sleep 0.05 & wait; echo waited' | sort
bash -c 'trap "" TERM; (kill -TERM $BASHPID; echo ignored in the subshell); trap - TERM; (kill -TERM $BASHPID; echo no)' 2>/dev/null; show status $?
bash -c 'trap "echo caught; exit 3" INT; kill -INT $$; echo not reached'; show status $?
bash -c 'trap "echo pipe" PIPE; (sleep 2; echo x; echo status $? >&2) | true' 2>&1 | sed 's/.*write error/write error/'
sleep_status() { sleep 30 & local pid=$!; sleep 0.3; kill "-$1" $pid; wait $pid 2>/dev/null; echo $?; }
for signal in HUP ABRT USR1 ALRM TERM KILL; do echo "$signal $(sleep_status $signal 2>/dev/null)"; done
bash -mc 'sleep 30 & jobs | sed "s/ *\[/[/"; kill %1; wait %1; echo $?; jobs' 2>/dev/null
bash -mc 'sleep 30 & kill -STOP %1; sleep 1; jobs; kill -CONT %1; sleep 0.3; jobs; kill -KILL %%; wait %1; echo $?' 2>/dev/null
bash -mc 'true | sleep 30 | cat & p=$!; [ "$(ps -o pgid= -p $p)" = "$(ps -o pgid= -p $(jobs -p))" ] && echo one group; kill -- -$(jobs -p); wait $p; echo $?' 2>/dev/null
(sleep 0.3 & sleep 0.1 & jobs -p | wc -l; wait -n -p who; echo $?; wait; echo $?) 2>/dev/null
bash -c '(sleep 0.2; exit 9) & wait $!; echo $?; wait 999999; echo $?; wait %3; echo $?' 2>/dev/null
bash -c 'coproc up { tr a-z A-Z; }; echo text >&${up[1]}; eval "exec ${up[1]}>&-"; cat <&${up[0]}; wait $up_PID; echo $?' 2>/dev/null
timeout 0.2 sleep 5; show timeout $?; timeout -s KILL 0.2 sleep 5 2>/dev/null; show killed $?; timeout 5 sh -c 'exit 8'; show passed $?
timeout --preserve-status 0.2 sleep 5; show preserved $?
timeout 1 nosuch 2>/dev/null; show status $?; nohup sh -c 'echo still here' 2>&1 | tail -1; nice -n 7 nice; setsid -w sh -c 'exit 5'; show setsid $?
ulimit -n 20; bash -c 'for i in {3..30}; do eval "exec $i</dev/null" || break; done; echo $i' 2>/dev/null; bash -c 'ulimit -Sn; ulimit -Hn 10; ulimit -n 15' 2>/dev/null; show limit $?
bash -c 'ulimit -u 1; ulimit -v 100000; ulimit -c 0; ulimit -a | wc -l'
show umask "$(umask 077; touch private; mkdir closed; stat -c %a private closed | tr '\n' ' '; umask -S)"

section pipes and locks
mkfifo in out
(while read -r line; do echo "served $line"; done <in >out) & (for i in 1 2 3; do echo $i; done >in) & cat out; wait
for i in {1..6}; do (for j in {1..6}; do flock counter.lock sh -c 'n=$(cat counter 2>/dev/null || echo 0); echo $((n + 1)) >counter'; done) & done; wait
show counter "$(cat counter)"
for i in {1..8}; do (for j in {1..50}; do echo "line $i $j" >>appended; done) & done; wait
show appended "$(sort -u appended | wc -l) $(awk 'NF != 3' appended | wc -l)"
for i in {1..20}; do (mkdir once 2>/dev/null && echo winner) & done; wait
for i in {1..20}; do (set -C; echo $i >exclusive && echo winner) 2>/dev/null & done; wait
(exec 7<five; flock -s 7; flock -s -n five echo shared; flock -x -n five echo exclusive; show status $?)
yes | head -c 3000000 | tee copy1 copy2 | tail -c 2 | od -c | head -1; cmp copy1 copy2 && stat -c %s copy1
dd if=/dev/zero bs=4096 count=500 2>/dev/null | tr '\0' x | dd bs=1000 2>/dev/null | wc -c; dd if=copy1 of=part bs=100 skip=3 count=2 seek=1 conv=notrunc 2>&1 | head -2; stat -c %s part
seq 1 100000 | shuf --random-source=copy1 | sort -n | md5sum; seq 1 100000 | md5sum
parallel_sort() {
    split -l 10000 - chunk.
    for c in chunk.*; do sort -n -o $c $c & done
    wait
    sort -nm chunk.*
}
seq 1 50000 | sort -R --random-source=copy1 | parallel_sort | cmp - <(seq 1 50000) && echo merged
cat <(echo a) <(echo b) <(cat <(echo c)); paste <(seq 3) <(seq 4 6) <(seq 7 9)
head -n 1 <(yes); (yes; show yes $? >&2) 2>/dev/null | head -n 1; set -o pipefail; yes | true; show pipefail $?; set +o pipefail
: >log; (sleep 0.3; echo late >>log; sleep 1) & tail -f --pid=$! log; wait

section tables and dates
for ((i = 1; i <= 2000; i++)); do echo "$i,$((i * 7919 % 1000)),name$((i % 13)),$((i % 28 + 1))"; done >table
sort -t, -k2,2n -k1,1nr table | sed -n '1p;500p;$p'; sort -t, -k3,3 -u table | wc -l; sort -t, -k3.5n table | head -2; sort -c table 2>&1 | cut -d: -f3
awk -F, '{ s[$3] += $2 } END { for (k in s) print k, s[k] }' table | sort -k2n | head -3
cut -d, -f3 table | sort | uniq -c | sort -rn | sed -n '1p;$p'; cut -c1-3 table | tail -1; cut -d, -f1,4- --output-delimiter=: table | head -1
join -t, -1 3 -2 1 -o 1.1,2.2 <(sort -t, -k3,3 table) <(for i in {0..12}; do echo "name$i,group$((i % 3))"; done | sort -t, -k1,1) | cut -d, -f2 | sort | uniq -c
comm -3 <(seq 1 10 | sort) <(seq 5 14 | sort) | tr '\t' '>'; uniq -d <(printf 'a\na\nb\n'); uniq -u -i <(printf 'a\nA\nb\n'); printf '1.10\n1.9\n1.2\n' | sort -V | tr '\n' ' '; printf '2K\n1M\n300\n' | sort -h | tr '\n' ' '; echo
csplit -s -f sec. table '/^500,/' '/^1000,/' '{0}'; wc -l sec.* | awk '{ print $1 }' | tr '\n' ' '; split -n 3 -d table p.; cat p.* | cmp - table && ls p.* | wc -l
expand -t 4 <(printf 'a\tb\n') | od -c | head -1; unexpand -a <(printf '        x\n') | od -c | head -1; fmt -w 30 <<<"$text jumps over the lazy dog and runs away"; pr -t -2 -w 30 <(seq 4); numfmt --to=iec 1048576 --from=auto; factor 360 97
for d in '2024-02-29 12:00' '@86399' '2024-01-31 +1 month' '2023-12-31 23:59:59 UTC +1 second' 'Thu, 01 Jan 1970 00:00:10 +0000' '2020-02-28 next day'; do date -d "$d" '+%F %T %a %j %V %s'; done
TZ=Europe/Berlin date -d @1711846800 '+%F %T %Z %z'; TZ=America/New_York date -d '2024-07-04 12:00 UTC' +%c; date -d nosuch 2>/dev/null; show date $?; date -u -Iseconds -d @0; date -R -d @0
touch -d '2001-02-03 04:05:06.789' dated; stat -c '%y' dated; touch -r dated other; [ dated -nt other ] || [ dated -ot other ] || echo equal; find . -newer dated -name 'tab*'; date -r dated +%s
bc <<<'scale=20; sqrt(2); 100!=1; 10 % 3; a = 5; a ^ 3'; echo 'obase=2; 1023; ibase=2; 1111' | bc; expr 6 '*' 7; expr length abc; expr abc : 'a\(.\)'; seq -s, 1 2 9; seq -w 8 11 | tr '\n' ' '; echo

section users and modes
cat >as-user.sh <<'END'
touch mine && chmod 4777 mine && stat -c '%a %U:%G' mine; chown 0 mine; chgrp tty mine; ln /etc/shadow hard; rm -f mine
mkdir d && chmod 000 d && ls d; cd d; rmdir d; >/etc/x; mv /etc/passwd .; cat ../root-only; echo >>../read-only; ls -la ../root-only | cut -c1-10
kill -9 1; renice -n -5 $$; ulimit -Hn unlimited; chroot / true; mknod dev c 1 3; mount --bind /tmp /mnt; id -u; sysctl -w kernel.hostname=x
END
mkdir -m 777 open; touch read-only; echo secret >root-only; chmod 600 root-only; (cd open && su user -c 'sh ../as-user.sh' 2>&1) | sed 's/ ([0-9]*)//;s/[0-9]* (process ID)/N (process ID)/'
for mode in 0644 u+x,g-w a=r,u+w +t g+s u=rwx,go= o+X -x 7777 ug-s,-t; do chmod $mode read-only; echo "$mode $(stat -c '%a %A' read-only)"; done; chmod 8 read-only 2>/dev/null; show chmod $?
install -d -m 2770 -o user -g user team; su user -c 'cd team && umask 002 && mkdir sub && touch sub/f && stat -c "%a %G" sub sub/f'; chown -R root:tty team; stat -c '%U:%G' team/sub/f; chown --from=user root team; chown nosuch team 2>/dev/null; show chown $?
mkdir -p perm; for m in 000 100 200 400 500 700; do chmod $m perm; echo "$m $(su -s /bin/sh nobody -c 'ls perm >/dev/null 2>&1; echo $?; cd perm 2>/dev/null; echo $?' 2>/dev/null | tr '\n' ' ')"; done; chmod 755 perm
find . -maxdepth 1 -perm -0002 -type d | sort; find . -user user | wc -l; find . -newer dated -perm /u+s | wc -l; find . -maxdepth 1 -type p -exec stat -c '%n %F' {} + | sort
su user -c 'groups; test -r root-only; echo $?; test -w read-only; echo $?; test -x /usr/sbin/useradd; echo $?' 2>&1; sg tty 'id -gn'
ls -ld /tmp /root /etc/shadow /etc/passwd /bin/su | awk '{ print $1, $3, $4, $NF }'; cp -a /etc/passwd kept; cmp kept /etc/passwd && [ "$(stat -c '%Y %a' kept)" = "$(stat -c '%Y %a' /etc/passwd)" ] && echo kept
cp -r open copied; cp -l table linked; stat -c %h table; cp -s "$PWD/table" symbolic; readlink symbolic | sed 's,.*/,,'; mv -n table linked; mv -T copied moved; ln -sfn moved latest; readlink -f latest | sed 's,.*/,,'; rm -d moved; ls -1 | wc -l
section forks by the thousand
sum=0
for i in $(seq 1 2000); do
    (exit $((i % 7)))
    sum=$((sum + $?))
done
echo "statuses $sum"
text=
for i in $(seq 1 500); do
    text=$text$(printf %x $((i % 16)))
done
printf '%s' "$text" | cksum
seq 1 300 | xargs -n 3 -P 4 echo | wc -l
cd / && rm -rf "$work"
echo done
