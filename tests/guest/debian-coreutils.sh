#!/bin/bash
# SPDX-License-Identifier: MIT
# Every program of Debian's coreutils with the options that people use, and its errors.
# The output is the same, byte for byte, on every system that keeps Linux's promises: it
# shows no time of now, process number, inode, or size of a disk.
#
# usage: bash debian-coreutils.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
umask 022
work=${1:-/tmp}/coreutils-work
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 1

# Show a command, what it writes to both streams, and its status if that is not 0.
r() {
    printf '$ %s\n' "$1"
    [ -z "$SHELL_TIMES" ] || echo "$(date +%s.%N) $1" >&2
    eval "$1" 2>&1 </dev/null
    local status=$?
    [ $status = 0 ] || echo "status $status"
}
section() { printf '=== %s\n' "$*"; }

section material
seq 1 20 >numbers
printf '%s\n' pear apple fig apple banana cherry fig apple >fruit
printf 'one\ttwo\tthree\n4\t5\t6\nseven\teight\tnine\n' >table
printf 'The quick brown fox jumps over the lazy dog.  It was not amused,\nand said so.\n\nNew paragraph.\n' >prose
printf 'a\0b\0c\0' >nuls
head -c 10000 /dev/zero | tr '\0' 'x' >exes
mkdir tree tree/a tree/a/b tree/c
echo hello >tree/a/one; echo world >tree/a/b/two; ln -s ../a/one tree/c/link; : >tree/empty
touch -d '2024-02-29 12:34:56' tree/a/one tree/a/b/two tree/empty numbers fruit
touch -h -d '2024-02-29 12:34:56' tree/c/link
touch -d '2024-03-01 00:00:00' tree/a/b tree/a tree/c tree

section cat tac nl
r 'cat fruit'
r 'cat -n fruit | head -3'
r 'printf "a\n\n\nb\tc\n\001\377\n" | cat -A'
r 'printf "a\n\n\nb\n" | cat -s'
r 'printf "a\n\nb\n" | cat -b'
r 'cat nosuch fruit nosuch2'
r 'cat .'
r 'cat numbers >> numbers'
r 'tac numbers | head -3'
r 'printf "a:b:c" | tac -s :'
r 'nl prose'
r 'nl -ba -w3 -s"> " -n rz prose'
section head tail
r 'head -n 3 numbers; head -c 5 numbers; head -n -17 numbers'
r 'head -q -n1 fruit numbers; head -n1 fruit numbers'
r 'tail -n 3 numbers; tail -n +18 numbers; tail -c 4 numbers'
r 'tail -n1 fruit nosuch numbers'
r 'seq 100000 | tail -n 2'
r 'head -n x fruit'
r ': >grow; (echo first; sleep 0.2; echo second) >grow & tail -f --pid=$! -n +1 -s 0.1 grow; wait'
section wc
r 'wc numbers fruit prose'
r 'wc -l <numbers; wc -c exes; wc -w prose; wc -L prose; wc -m fruit'
r 'printf "fruit\0numbers\0" | wc --files0-from=- -l'
r 'wc nosuch'
section od
r 'printf "Hello\n\0\377" | od -c'
r 'printf "Hello World 12345678" | od -A x -t x1z'
r 'printf "\1\2\3\4\5\6\7\10" | od -An -tx4 -td2 -to1'
r 'od -N 16 -j 4 -tu1 exes'
r 'od -v -An -w8 -tx1 exes | wc -l'
r 'printf "\0\0\200\77" | od -An -tf4'
section base
r 'printf "any carnal pleas" | base64; printf "YW55" | base64 -d; echo'
r 'head -c 100 exes | base64 -w 40'
r 'echo "!!!" | base64 -d'
r 'printf foobar | base32; echo MZXW6YTBOI====== | base32 -d; echo'
r 'printf foobar | basenc --base16; printf foobar | basenc --base64url; printf foo | basenc --base2msbf; printf 12345678 | basenc --z85'
section sums
for tool in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum; do
    r "$tool fruit exes"
    r "$tool fruit numbers >sums; $tool -c sums; echo x >>numbers; $tool -c --quiet sums; seq 20 >numbers"
done
r 'sha256sum --tag fruit; b2sum -l 128 fruit; md5sum -c nosuch; md5sum tree'
r 'cksum fruit; cksum -a sha256 fruit; cksum -a bsd fruit; cksum -a crc exes'
r 'sum fruit; sum -s fruit'
section sort
r 'sort fruit'
r 'sort -u fruit; sort -r fruit | head -2; sort -c fruit; sort -C numbers'
r 'printf "10\n9\n2\n1e2\n-5\n" | sort -n; printf "10\n9\n2\n1e2\n-5\n" | sort -g'
r 'printf "1K\n2M\n3\n1G\n" | sort -h; printf "v1.10\nv1.9\nv1.2\n" | sort -V; printf "MAR\nJAN\nfeb\n" | sort -M'
r 'printf "b 2\na 3\nc 1\n" | sort -k2,2n; printf "x:3\ny:1\n" | sort -t: -k2; printf "B\na\nC\n" | sort -f'
r 'seq 50000 | sort -R --random-source=/dev/zero | sort -n | tail -1'
r 'seq 200000 | tac | sort -n -S 1M -T . | head -2; ls sort* 2>/dev/null'
r 'sort -m <(seq 1 2 9) <(seq 2 2 8) | tr "\n" " "; echo'
r 'sort -o fruit2 -s fruit && cat fruit2 | head -1; sort --parallel=4 fruit | tail -1; sort nosuch'
r 'printf "b\0a\0" | sort -z | od -c | head -1; sort -k 0 fruit'
section uniq comm join
r 'sort fruit | uniq -c; sort fruit | uniq -d; sort fruit | uniq -u'
r 'printf "A\na\nb\n" | uniq -i; printf "1 x\n2 x\n" | uniq -f1; printf "ax\nbx\n" | uniq -s1; printf "ab\nac\n" | uniq -w1'
r 'printf "a\na\nb\nb\n" | uniq --group=separate; printf "a\na\nb\n" | uniq -D'
r 'comm <(printf "a\nb\nc\n") <(printf "b\nc\nd\n"); comm -12 <(printf "a\nb\n") <(printf "b\n"); comm --total <(echo a) <(echo b)'
r 'comm <(printf "b\na\n") <(printf "a\n")'
r 'join <(printf "1 a\n2 b\n") <(printf "1 x\n3 y\n"); join -a1 -a2 -e - -o 0,1.2,2.2 <(printf "1 a\n2 b\n") <(printf "1 x\n3 y\n")'
r 'join -t: -1 2 -2 1 <(printf "a:1\nb:2\n") <(printf "1:x\n2:y\n"); join -v1 <(printf "1 a\n2 b\n") <(printf "1 x\n")'
section cut paste tr
r 'cut -f2 table; cut -d: -f1,3- <<<a:b:c:d; cut -c2-4 fruit | head -2; cut -b -3 fruit | head -1'
r 'cut -d: -f2 --complement <<<a:b:c; cut -d: -f1,2 --output-delimiter=+ <<<a:b:c; cut -s -d: -f1 <<<none; cut fruit'
r 'paste fruit numbers | head -3; paste -s -d, fruit; paste -d "+-" fruit fruit numbers | head -2; seq 6 | paste - - -'
r 'tr a-z A-Z <fruit | head -2; tr -d aeiou <fruit | head -2; tr -s p <<<apppple; tr -c a-z\\n _ <<<a1b2; tr -cd 0-9 <<<a1b2; echo'
r 'tr "[:lower:]" "[:upper:]" <<<mixed; tr "[:space:]" _ <<<"a b"; echo; tr abc xy <<<aabbcc; tr -t abc xy <<<aabbcc; tr "\101" z <<<ABC; tr z-a x'
section fold fmt pr expand
r 'fold -w 20 prose; fold -s -w 20 prose; fold -b -w 4 <<<abcdefghij'
r 'fmt -w 30 prose; fmt -s -w 10 <<<"a b c d e f g h"; fmt -u <<<"a   b"'
r 'pr -t -2 -w 40 -l 10 numbers; pr -n -t fruit | head -2; pr -m -t fruit numbers | head -2; pr -h Title -l 20 fruit | sed 1,3d | head -4'
r 'expand table; expand -t 4 table; unexpand -a -t 4 <<<"a       b"; unexpand <<<"        x"; expand -i <<<"	a	b"'
section split csplit
r 'split -l 7 numbers part.; wc -l part.*; rm part.*'
r 'split -b 4K -d -a 3 exes piece; stat -c "%n %s" piece*; cat piece* | cmp - exes; rm piece*'
r 'split -n 3 numbers n; cat na nb nc | cmp - numbers; rm n?; split -n l/2 fruit; head -1 xab; rm x??'
r 'split -C 20 --filter="wc -c" prose; split --additional-suffix=.txt -l 10 numbers; ls x*; rm x*; split -l 0 fruit'
r 'csplit numbers 5 /12/ ; head -1 xx01 xx02; rm xx*; csplit -s -f sec -n 1 fruit "/fig/" "{1}"; ls sec*; rm sec*; csplit numbers 30; ls xx*'
section shuf seq factor numfmt expr
r 'shuf -i 1-10 | sort -n | tr "\n" " "; shuf -n 2 -e a b c | wc -l; shuf --random-source=exes -i 1-5; shuf -n3 -r -e x'
r 'seq 3; seq 2 2 8; seq 3 -1 1; seq -s, 1 5; seq -w 8 11; seq -f "%.2f" 0 .5 1; seq 0.1 0.1 0.3; seq 1 0 2; seq a'
r 'factor 12 97 1000003 18446744073709551615; echo 30 | factor; factor x'
r 'numfmt --to=iec 1048576 123456; numfmt --from=si 1K 2M; numfmt --to=si --suffix=B 5000; numfmt --field=2 --to=iec <<<"a 2048"; numfmt --grouping 1234; numfmt x; numfmt --format=%010.2f 3.14159; numfmt --header=1 --to=si <<<h'
r 'expr 3 + 4 \* 2; expr 7 / 2; expr 7 % 3; expr length hello; expr substr hello 2 3; expr index hello l; expr abc : "a\(.\)c"; expr abc : b; expr 1 = 1; expr 1 \> 2; expr 5 / 0; expr 1 +; expr "" \| alt; expr 0 \& 1; expr 99999999999999999999 + 1'
section echo printf test
r '/bin/echo -n a; /bin/echo -e "x\ty\0101\c"; /bin/echo; /bin/echo -E "a\n"'
r '/usr/bin/printf "%s-%5d|%-5s|%05.1f|%x|%o|%e|%c|%%|%b|%q\n" str 42 ab 3.14159 255 8 1234.5 char "a\tb" "it'"'"'s"'
r '/usr/bin/printf "%d\n" 0x1f 010 "\"A" 12x; /usr/bin/printf "%s %s\n" a b c; /usr/bin/printf "%*d|%-*d|\n" 5 42 5 42; /usr/bin/printf "\u00e9\n"; /usr/bin/printf'
r '[ -f fruit ] && [ -d tree ] && [ -L tree/c/link ] && [ -s fruit ] && [ ! -e nosuch ] && echo files'
r '/usr/bin/test 3 -lt 10 -a b \> a -o x = y && echo true; /usr/bin/test -z ""; echo $?; /usr/bin/test a = b; echo $?; /usr/bin/test 1 -eq; echo $?; /usr/bin/test x -eq 1; echo $?; "/usr/bin/[" 1'
r '/usr/bin/test fruit -nt tree/a; echo $?; /usr/bin/test numbers -ot tree/a; echo $?; /usr/bin/test fruit -ef ./fruit; echo $?; /usr/bin/test -t 0; echo $?; /usr/bin/test -w fruit -a -r fruit; echo $?; test -k /tmp; echo $?; test -u /bin/su; echo $?; test -p nosuch; echo $?'
r 'true; echo $?; /bin/false; echo $?; /bin/true --help | head -1'
r 'yes | head -2; yes a b | head -1; /usr/bin/sleep 0; /usr/bin/sleep 0.01s; /usr/bin/sleep x'
section names
r 'basename /a/b.txt .txt; basename -a x/y z/w; basename -s .c a.c; basename /; dirname /a/b c a/b/ /; basename'
r 'readlink tree/c/link; readlink -f tree/c/link; readlink -e nosuch; readlink -m no/../such; readlink fruit; realpath tree/c/link; realpath --relative-to=tree/c tree/a/one; realpath -s tree/c/link; realpath -e nosuch; realpath -z tree | od -An -c | tail -1'
r 'pwd -P; (cd tree/a; /bin/pwd); ln -s tree/a sym; (cd sym; /bin/pwd -L; /bin/pwd -P); rm sym'
r 'pathchk fruit; pathchk -p "a b"; pathchk -P ""; pathchk -p $(head -c 300 exes); pathchk fruit/x'
r 'mktemp -u | sed "s/\.[^.]*$/.X/"; f=$(mktemp -p . q.XXXX); stat -c "%a %s" $f; rm $f; d=$(mktemp -d -p . d.XXX); stat -c %a $d; rmdir $d; mktemp bad.X; mktemp -t x.XXX --suffix=.c | sed "s/x\..../x.___/"; rm -f /tmp/x.???.c; mktemp -p nosuch'
section ls stat
r 'ls; ls -a tree; ls -A tree; ls -1p tree; ls -F tree tree/c; ls -m tree; ls -x tree; ls -C tree; ls -Q tree'
r 'ls -lR --time-style=long-iso tree'
r 'ls -ld --time-style=full-iso tree; ls -lL --time-style=long-iso tree/c; ls -n --time-style=+%Y tree/a; ls -lh --time-style=+ exes; ls -s tree/a; ls -S tree/a; ls -t tree; ls -tr tree; ls -X; ls -r tree; ls -U tree | sort; ls -d */; ls -B; ls -I "f*"; ls --group-directories-first tree; ls --color=always -d tree fruit; ls -go --time-style=+ fruit'
r 'ls nosuch tree; ls -l nosuch; ls --nosuch; ls -b "$(printf "a\nb")"; dir tree; vdir --time-style=+ tree; ls --zero tree | od -c | head -2; ls -w 20 -C; ls --full-time tree/a/one'
r 'stat -c "%n %s %a %A %F %U %G %h %b %B %u %g %Y %y" tree/a/one tree/c/link tree/empty; stat -L -c "%N %s" tree/c/link; stat -c %N tree/c/link; stat --printf="%s\t%n\n" fruit; stat -c "%s %h" tree tree/a; stat nosuch; stat -f -c "%l" /tmp; stat -c "%t %T %F" /dev/null /dev/zero'
r 'du -ab --time-style=+ tree | sort -k2; du -s -b exes; du -sk exes; du -h exes; du -c -B1 exes fruit; du --max-depth=1 -b tree | sort -k2; du -a --exclude=b -b tree | sort -k2; du --inodes tree | sort -k2; du -0 exes | od -An -c | tail -1; du nosuch; du -L -b tree/c/link; truncate -s 1M sparse; du sparse; du --apparent-size sparse; rm sparse; du -t 5K -a . | cut -f2 | sort'
r 'dircolors -b | head -c 20; echo; dircolors -c | head -c 17; echo; dircolors --print-database | wc -l; dircolors nosuch'
touch -d '2024-02-29 12:34:56' numbers
section copying
r 'cp fruit copy; cmp fruit copy; cp -v copy copy2; cp -r tree tree2; diff -r tree tree2; cp -a tree tree3; stat -c "%n %Y %A" tree3 tree3/a/one tree3/c/link; cp -i copy copy2 </dev/null; cp -n exes copy; wc -c copy; cp -u fruit copy; cp -l fruit hard; stat -c %h hard; cp -s "$PWD/fruit" soft; readlink soft'
r 'cp nosuch x; cp tree x; cp fruit numbers nosuchdir; cp fruit fruit; cp -t tree2 numbers copy && ls tree2; cp -b --suffix=.bak fruit copy; ls copy*; cp -p numbers kept; stat -c %Y kept; cp --parents tree/a/one tree2; find tree2/tree; cp -T fruit tree2; cp -d tree/c/link l2; readlink l2; cp -L tree/c/link l3; cat l3; cp --attributes-only exes l3; cat l3; cp -x -R tree tree4; cp --remove-destination fruit l2; cp --sparse=always exes sp; cmp exes sp; cp --reflink=auto exes sp; cp /dev/null nul; wc -c nul'
r 'mv copy moved; ls copy moved; mv -v moved copy; mv -n fruit copy; mv nosuch y; mv tree4 tree2/sub; ls tree2; mv tree tree/a; mv fruit numbers tree2/sub/ && ls tree2/sub && mv tree2/sub/fruit tree2/sub/numbers .; mv -t tree2 l2 l3; mv -b copy copy2; ls copy*; mv -T tree2/sub nsub && ls -d nsub; mv tree2 fruit; mv -i copy2 copy2~ </dev/null'
r 'install -m 640 fruit inst; stat -c %a inst; install -d -m 711 id/ee; stat -c %a id id/ee; install -D -v fruit p/q/r; install -t p fruit numbers; ls p; install -C fruit inst; install -b -S .o fruit inst; ls inst*; install nosuch p; install -o nobody -g nogroup fruit own; stat -c "%U %G %a" own; install -p numbers p2; stat -c %Y p2; install -s fruit p3'
r 'ln fruit hard2; stat -c %h hard2; ln -s fruit sl; ln -s fruit sl; ln -sf numbers sl; readlink sl; ln -sr tree/a/one tree/c/rel; readlink tree/c/rel; rm tree/c/rel; ln nosuch z; ln tree z; ln -sn tree dl; ln -snf tree/a dl; readlink dl; ln -sv x xl; ln -b fruit hard2; ls hard2*; ln -t p exes; link fruit lk; stat -c %h lk; link fruit lk; unlink lk; unlink lk; unlink tree; ln -P sl slh; readlink slh; ln -T fruit dl'
r 'rm nosuch; rm -f nosuch; rm tree; rm -d p; rm -r p; rm -v hard hard2 hard2~; rm -rf id nsub tree2 tree3; rm -i fruit </dev/null; rm ""; rm -r .; rm -rf /; mkdir e; rm -dv e; rm --one-file-system -r e; ls'
r 'mkdir d1 d1; mkdir -p d2/d3/d4; mkdir -m 700 d5; stat -c %a d5; mkdir -v d6; mkdir fruit/x; mkdir ""; rmdir d1 d2; rmdir -p d2/d3/d4; rmdir -v d5 d6; rmdir fruit; rmdir --ignore-fail-on-non-empty tree; mkdir -pv d7/d8; rmdir -p --verbose d7/d8; mkdir -m u=rwx,g=,o= d9; stat -c %A d9; rmdir d9'
r 'mkfifo ff; stat -c "%F %a" ff; (echo through >ff &) ; cat ff; mkfifo -m 600 ff2; stat -c %a ff2; mkfifo ff; rm ff ff2; mknod nn p; mknod cc c 1 3; echo x >cc; stat -c "%F %t %T" nn cc; mknod bb b 7; mknod -m 444 b7 b 7 0; stat -c "%F %a" b7; rm nn cc b7'
r 'touch t1; touch -c t2; ls t1 t2; touch -d "2020-01-02 03:04:05.678" t1; stat -c "%y" t1; touch -t 202001020304.05 t1; stat -c %y t1; touch -a -d @5 t1; stat -c "%X %Y" t1; touch -m -d @9 t1; stat -c "%X %Y" t1; touch -r fruit t1; stat -c %Y t1; touch -d nonsense t1; touch nosuch/x; touch -h -d @7 sl; stat -c %Y sl; touch -d "2024-01-31 +1 month" t1; stat -c %y t1'
r 'truncate -s 5 tr; wc -c tr; truncate -s +3 tr; truncate -s %4 tr; truncate -s "<6" tr; stat -c %s tr; truncate -r fruit tr; stat -c %s tr; truncate -s 1K tr; stat -c %s tr; truncate -c -s 1 nosuch; truncate -s -2000 tr; stat -c %s tr; truncate tr; truncate -s x tr; od -N4 -An -tx1 tr; truncate -s 9E big; stat -c %s big; truncate -s 8388608T big; rm -f big'
section dd
r 'dd if=exes of=o bs=1k count=3 2>&1 | sed "s/ copied.*//"; wc -c o; dd if=numbers bs=1 skip=2 count=4 status=none; dd if=fruit conv=ucase status=none | head -1; dd if=/dev/zero of=o bs=4 seek=2 count=1 conv=notrunc status=none; wc -c o; printf ab | dd conv=swab status=none; echo; dd if=nosuch; printf "ab\ncd\n" | dd cbs=4 conv=block status=none | od -c; dd if=exes of=/dev/null bs=3k iflag=fullblock 2>&1 | head -2; dd if=/dev/zero of=o bs=1 count=0 seek=100 status=none; wc -c o; dd bs=x; printf "abcdef" | dd ibs=2 obs=3 conv=sync status=none | od -c; dd if=exes oflag=append conv=notrunc of=o status=none; wc -c o; dd if=fruit of=o conv=excl; dd if=exes iflag=skip_bytes,count_bytes skip=9990 count=5 status=none; echo; dd if=fruit of=o conv=fsync,nocreat status=none; cmp fruit o; printf HELLO | dd conv=lcase status=none; printf a | dd conv=ebcdic status=none | od -An -tx1'
section tee
r 'echo x | tee t2 t3; echo y | tee -a t2; cat t2; echo z | tee nosuch/f; echo w | tee -p /dev/full; echo $?'
section modes
r 'chmod 600 t2; stat -c %A t2; chmod u+x,g=rw,o-r t2; stat -c %A t2; chmod -v a+r t2; chmod -c 644 t2; chmod -c 644 t2; chmod -R go-rwx tree; stat -c "%n %A" tree/a tree/a/one; chmod -R u=rwX,go=rX tree; stat -c "%n %A" tree/a tree/a/one; chmod 7777 t2; stat -c %A t2; chmod u-s,g-s,-t t2; stat -c %A t2; chmod --reference=fruit t2; stat -c %a t2; chmod 9 t2; chmod u+q t2; chmod 600 nosuch; chmod +x t2; (umask 077; chmod =rw t2); stat -c %a t2; chmod g=u t2; stat -c %a t2; chmod -x+X tree/c; stat -c %a tree/c; chmod 755 tree/c'
r 'chown nobody t2; stat -c "%U %G" t2; chown :nogroup t2; stat -c "%U %G" t2; chown -v root:root t2; chown 1234:5678 t2; stat -c "%U %G %u %g" t2; chown nosuchuser t2; chown -R user: tree; stat -c "%U:%G" tree/a/one tree/c/link; chown --from=user root tree/a/one; stat -c %U tree/a/one; chown -h nobody tree/c/link; stat -c %U tree/c/link; chown --reference=fruit t2; stat -c %u t2; chgrp tty t2; stat -c %G t2; chgrp -c root t2; chgrp nosuchgroup t2; chown -R root:root tree; chmod 4755 t2; chown nobody t2; stat -c %A t2; chown 0:0 nosuch'
r 'chcon nosuch t2; runcon --version | head -1; pinky -l root | head -2'
section who is it
r 'id; id -u; id -un; id -G nobody; id user; id -Gn user; id nosuchuser; whoami; groups; groups user nobody; logname; users; who; who -b | wc -l; pinky -f | wc -l; hostid; uname -s; uname -m; uname -o; uname -p; uname -x; arch; nproc --ignore=1000; OMP_NUM_THREADS=3 nproc; OMP_NUM_THREADS=3 nproc --all | grep -c .; tty; tty -s; stty; stty -a </dev/null; hostname'
section environment
r 'env -i A=1 B=2 /usr/bin/env; env -u HOME -i; env A=x sh -c "echo \$A"; env nosuchcmd; env -C tree pwd; env -S "printf %s\\n a b"; env /etc/passwd; env -i PATH=/bin printenv PATH; printenv NOSUCH; X=1 printenv X; env --ignore-signal=TERM sh -c "kill -TERM \$\$; echo alive"; env --block-signal=USR1 --list-signal-handling true; env -0 -i A=1 | od -c; env ""'
r 'nice; nice -n 5 nice; nice -n 5 nice -n 30 nice; nice nosuchcmd; nice -n x true; nohup echo hi; nohup nosuchcmd; nohup sh -c "kill -HUP \$\$; echo alive"; nohup'
r 'timeout 5 echo in; timeout 0.1 sleep 5; (timeout -s KILL 0.1 sleep 5; echo $?; timeout -k 0.5 2 sh -c "trap \"\" TERM; sleep 5"; echo $?) 2>/dev/null; timeout 1 nosuchcmd; timeout x true; timeout 0 echo never; timeout --preserve-status 0.1 sleep 5; timeout --foreground 0.1 sleep 5; timeout -v 0.1 sleep 5; timeout 5 sh -c "exit 7"'
r 'stdbuf -oL echo line; stdbuf -o0 head -1 fruit; stdbuf -i0 -e0 cat fruit | head -1; stdbuf; chroot / /bin/echo rooted; chroot nosuch true; chroot --userspec=user / id -un; chroot /usr pwd; chroot --userspec=1:2 --groups=3,4 / id -G'
r 'sync; sync fruit; sync -d fruit; sync -f tree; sync nosuch'
section dates
r 'date -d @0; date -u -d "2024-02-29 12:34:56" +%F_%T_%j_%U_%u_%s; date -d "2024-01-31 +1 month" +%F; date -d "2024-03-10 12:00 EST" +%c; date -I -d @86400; date -Iseconds -d @0; date -R -d @0; date --rfc-3339=ns -d @1.5; date -r fruit +%F; date -d nonsense; date -d "next monday" +%u; TZ=America/New_York date -d @1700000000 "+%F %T %Z"; TZ=Europe/Berlin date -d @1700000000 +%z; date -d @1700000000 "+%A %B %-d %e %I %p %y %C %n%t%%"; echo "2020-01-01" | date -f - +%s; date +%3N | grep -cE "^[0-9]{3}$"; date -d "2 days ago" +%s | grep -c .; date --date="2024-12-30" +%G-W%V'
section the rest
r 'tsort <<<"a b b c a d"; printf "a b\nb a\n" | tsort; ptx -w 40 <<<"the cat sat" ; ptx -G <<<"one two"; shred -n 1 -u -v --random-source=/dev/zero o; ls o; shred -n 1 -z t2; od -An -N4 -tx1 t2; df --output=target / ; df --total -B1M nosuch; df -a --output=fstype /tmp >/dev/null; echo $?'
r 'comm --version | head -1; ls --version | head -1; cp --help | head -2; sort --nosuch; tail --help | tail -1 | wc -l'
r 'echo lost >/dev/full; cat fruit >/dev/full; head -c 5 /dev/full | od -An -tx1; cp fruit /dev/full; seq 3 >&-; cat <&-'
cd / && rm -rf "$work"
