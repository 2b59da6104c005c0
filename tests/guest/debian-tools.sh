#!/bin/bash
# SPDX-License-Identifier: MIT
# Debian's tools, each with its everyday options and its errors.  Each line of the lists
# below is a command: it is shown, run, and its status follows if it is not 0.  The output
# is the same, byte for byte, on every system that keeps Linux's promises: no line shows a
# time of now, a process number, an inode, or what only the machine knows.
#
# usage: bash debian-tools.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
export TERM=dumb COLUMNS=80
umask 022
work=${1:-/tmp}/debian-tools here=$(dirname "$(readlink -f "$0")")
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 1

# run_lines SECTION <<LIST: runs each line of the list; without what bash says of jobs that
# it ended, by their process numbers.
run_lines() {
    local line status
    printf '=== %s\n' "$1"
    [ -z "$SHELL_TIMES" ] || echo "$(date +%s) $1" >/dev/stderr
    while IFS= read -r line <&3; do
        case $line in '' | '# '*) continue ;; esac
        printf '$ %s\n' "$line"
        eval "$line" 2>&1 </dev/null
        status=$?
        [ $status -eq 0 ] || printf '[%d]\n' $status
    done 3<&0 | sed -E '/: line [0-9]+: +[0-9]+ (Killed|Terminated|Hangup)/d'
}

. "$here/till.sh"

printf 'apple 1\nbanana 22\ncherry 333\nApple 4\n\nfoo.bar\nfoo-bar\n' >words
seq 1 200 >numbers
mkdir -p tree/{a,b}/c
for f in tree/a/1 tree/a/2.txt tree/b/3.c tree/b/c/4.txt; do echo "in $f" >$f; touch -d @1000000000 $f; done
ln -s a tree/link; ln -s nosuch tree/dangling; ln tree/a/1 tree/b/hard; mkfifo tree/fifo

run_lines grep <<'LIST'
grep apple words
grep -i apple words
grep -c a words
grep -v a words
grep -n '^$' words
grep -o '[0-9]*' words
grep -w foo words
grep -x foo.bar words
grep -F foo.bar words
grep -E '^(apple|cherry) [0-9]+$' words
grep -P '\d{3}' words
grep -A1 -B1 cherry words
grep -C1 -n cherry words
grep -m1 a words
grep -b cherry words
grep -l a words numbers nosuch
grep -L a words numbers
grep -s x nosuch
grep -q a words
grep -H -c 1 numbers words
grep -h foo words words
grep -e apple -e foo words
grep --color=always foo words
grep '[' words
grep -E 'a{1' words
grep -E '(' words
grep x tree
grep -r in tree | sort
grep -R -D skip in tree | sort
grep -rl --exclude='*.txt' in tree | sort
grep -rL --exclude-dir=b zzz tree | sort
grep -z apple words | tr '\0' '@'
printf 'a\0b' | grep a
printf 'a\0b' | grep -a b
grep -f <(echo cherry) words
grep
egrep -c a words
fgrep -c . words
zgrep apple <(gzip -c words)
LIST

run_lines sed <<'LIST'
sed -n 2p words
sed '2,3d' words
sed '$!d' words
sed 's/a/A/2' words
sed 's/a/A/2g' words
sed 's/APPLE/x/I' words
sed -E 's/([a-z]+) ([0-9]+)/\2 \1/' words
sed 's/.*/\U&/' words | head -2
sed 's/\<./\u&/g' words | head -2
sed '/banana/i before' words | head -3
sed '/banana/a after' words | head -3
sed '/banana/c changed' words | head -3
sed -n '/apple/,/cherry/p' words
sed -n '2,+1p' words
sed -n '0~50p' numbers
sed '/^$/q5' words
sed -s -n '$=' words numbers
sed -n '$=' words numbers
sed 'N;P;D' words | tail -1
sed -n 'H;${x;s/\n/,/g;p}' words
sed ':a;N;$!ba;s/\n/+/g' words
sed -e 'y/abc/xyz/' -e 1q words
sed -n l words | head -2
printf 'a\tb\001\n' | sed -n l
sed -n '/foo/{=;p}' words
sed 'r numbers' words | wc -l
sed '1e echo executed' words | head -2
sed --sandbox '1e echo' words
sed 's/x/y' words
sed k words
sed p nosuch
sed -i 's/1/one/' nosuch
cp words w2; sed -i.old 's/apple/pear/' w2; head -1 w2 w2.old
sed -i 's/pear/plum/w made' w2; cat made
sed --posix 's/a\+/x/' words | head -1
sed -u 1q words
sed -z 's/\n/;/g' words; echo
sed 's/a/b/;ta;s/$/ none/;:a' words
sed -f <(printf 's/foo/FOO/\n/FOO/p\n') words | tail -2
sed -n '/x/!{1p}' words
LIST

run_lines awk <<'LIST'
awk '{ print $1 }' words
awk 'END { print NR }' words
awk -F. '{ print NF }' words
awk '$2 > 10' words
awk '/apple/,/cherry/' words
awk 'BEGIN { FS = ":" } { print $1 }' /etc/passwd | head -2
awk '{ a[$1] = $2 } END { for (k in a) print k, a[k] }' words | sort
awk 'BEGIN { printf "%5.2f|%-5s|%05d|%x|%o|%e|%c\n", 3.14159, "ab", 42, 255, 8, 12345.678, 65 }'
awk 'BEGIN { print length("hello"), substr("hello", 2, 3), index("hello", "ll"), toupper("x") }'
awk 'BEGIN { s = "aaa"; n = gsub(/a/, "&b", s); print n, s; sub(/b/, "", s); print s }'
awk 'BEGIN { n = split("a:b:c", x, ":"); print n, x[1], x[3] }'
awk 'BEGIN { if (match("foobar", /o+/)) print RSTART, RLENGTH }'
awk 'BEGIN { "echo piped" | getline x; print x; close("echo piped") }'
awk 'BEGIN { while ((getline l < "words") > 0) n++; print n }'
awk 'BEGIN { print "b\na" | "sort"; close("sort"); print "end" }'
awk 'BEGIN { r = system("exit 3"); print r }'
awk 'BEGIN { print 1e300 * 1e300, log(-1) == log(-1), 2 ** 3, 7 % 3, -7 % 3 }'
awk 'BEGIN { print int(3.9), sqrt(16), exp(0), sin(0), cos(0), atan2(0, 1) }'
awk 'BEGIN { x["a"]; delete x["a"]; print ("a" in x), ("b" in x) }'
awk 'function f(a, b) { return a + b } BEGIN { print f(1, 2) }'
awk 'BEGIN { do { i++; if (i == 2) continue; if (i > 4) break; print i } while (1) }'
awk 'BEGIN { exit 4 }'
awk 'BEGIN { print ARGV[1], ARGC }' arg
awk '{ print FILENAME, FNR }' words numbers | tail -1
awk -v x=3 'BEGIN { print x }'
awk 'BEGIN { RS = "" } { print NR ": " $1 }' words
awk 'BEGIN { OFS = "-"; ORS = "!\n" } { $1 = $1; print }' words | head -2
awk 'NR == 2 { next } { print }' words | head -2
awk '{ print > "out." NR }' words; cat out.3; rm out.*
awk '{'
awk '{ print' words
awk 1 nosuch
awk 'BEGIN { print substr("x", 0), substr("hello", -1, 3) "|" }'
awk 'BEGIN { printf "%s %s %s\n", "a", "b" }'
awk 'BEGIN { getline; print "got " $0 }' words
LIST

run_lines findutils <<'LIST'
find tree | sort
find tree -type f | sort
find tree -type l | sort
find tree -type p
find tree -xtype l
find -L tree -type f | sort
find -L tree -name dangling
find tree -name '*.txt' -o -name '*.c' | sort
find tree ! -name '*.txt' -type f | sort
find tree -iname '*.TXT' | sort
find tree -path 'tree/b/*' | sort
find tree -regex '.*/[0-9]\.[a-z]+' | sort
find tree -links 2 -type f | sort
find tree -samefile tree/a/1 | sort
find tree -size -1c | sort
find tree -newermt 2001-01-01 -type f | sort
find tree -newermt 2002-01-01 -type f | sort
find tree -mtime +100 -type f | sort
find tree -mmin -60 -type d | sort
find tree -perm 644 | sort
find tree -perm /111 -type d | sort
find tree -perm -u=w -type f -printf '%p %m %s %y %d %l\n' | sort
find tree -type l -printf '%f -> %l\n' | sort
find tree -printf '%h|%f|%P|%y|%Y|%M\n' | sort
find tree -type f -printf '%TY-%Tm-%Td %u %g\n' | sort -u
find tree -maxdepth 1 | sort
find tree -mindepth 2 -maxdepth 2 | sort
find tree -depth -name c | sort
find tree -name c -prune -o -type f -print | sort
find tree -type f -exec echo {} \; | sort
find tree -type f -exec echo {} + | wc -l
find tree -type f -execdir echo {} \; | sort
find tree -name 1 -ok rm {} \;
find tree -name 1 -delete -print; ls tree/a
find tree -user root -group root | wc -l
find tree -nouser
find tree -uid 0 -type p
find tree -empty
find tree -quit
find tree -type f -ls | awk '{ print $3, $4, $5, $6, $7, $NF }' | sort
find tree -fstype nosuch
find tree -type f -fprint list; wc -l <list
find tree -print0 | tr '\0' '\n' | wc -l
find nosuch
find tree -nosuch
find tree -exec nosuch {} \;
find tree -maxdepth
find tree -type f -readable -writable | wc -l
su user -c "find $PWD/tree -writable" | wc -l
find / -xdev -maxdepth 1 -type d | sort | tr '\n' ' '
xargs -n2 <words
printf 'a b\nc\n' | xargs
printf 'a b\nc\n' | xargs -L1 echo x
printf 'a b\nc\n' | xargs -I% echo '<%>'
printf 'a\0b c\0' | xargs -0 -n1 echo
printf 'a,b' | xargs -d, -n1 echo
seq 20 | xargs -n5 -P4 echo | sort
seq 3 | xargs -t -n1 true
seq 3 | xargs -n1 false
echo 255 | xargs -n1 sh -c 'exit 255'
echo x | xargs nosuch
echo x | xargs sh -c 'kill -9 $$'
xargs -r echo nothing
echo "a 'b c' \"d\"" | xargs -n1
echo "'b" | xargs
seq 1000 | xargs -s 2000 | wc -l
xargs -a words -n1 | tail -1
LIST

run_lines diffutils <<'LIST'
sed 's/banana/melon/;/cherry/d;$a more' words >other
diff words words
diff words other
diff -u --label A --label B words other
diff -c --label A --label B words other
diff -y -W 40 words other
diff -q words other
diff -s words words
diff -i <(echo A) <(echo a)
diff -w <(echo 'a  b') <(echo 'a b')
diff -B <(printf 'a\n\nb\n') <(printf 'a\nb\n')
diff -e words other
diff -n words other
diff --brief tree tree/a
diff -r tree/a tree/b
diff -N words nosuch | head -3
diff words nosuch
diff words
diff --color=always words other
diff -U0 --label A --label B words other
diff --strip-trailing-cr <(printf 'a\r\n') <(echo a)
diff <(printf 'a') <(echo a)
diff /bin/true /bin/false
diff3 words other words
diff3 -m words other other | head -4
sdiff -s -w 40 words other
cmp words other
cmp -l words other | head -3
cmp -s words other
cmp -n 6 words other
cmp words <(head -c 5 words)
cmp -i 10:10 words words
cmp words nosuch
LIST

run_lines gzip-bzip2-xz <<'LIST'
cp numbers n; gzip n; ls n*
gzip -l n.gz
gzip -tv n.gz
gunzip n.gz; cmp n numbers
gzip -9 -c n | gzip -d | cmp - n
gzip -c n | zcat | tail -1
gzip -k n; gzip n
gzip -f n; gunzip -k n.gz; ls n*
gzip -d words
gzip nosuch
gzip tree
gzip -r tree/b; find tree/b -type f | sort; gunzip -r tree/b
gzip -S .zz -k n; ls n.*; rm n.zz
echo broken | gzip -d
gzip -n -c n | cksum
gzip -c n n | zcat | wc -l
zcmp n.gz n
zdiff n.gz n
zmore n.gz | tail -1
rm n.gz; bzip2 n; bunzip2 -c n.bz2 | cmp - numbers; bzip2 -tv n.bz2; bunzip2 n.bz2
bzip2 nosuch
echo broken | bzip2 -d
bzcat <(bzip2 -c n) | tail -1
xz -k n; xz -l n.xz | awk 'NR == 2 { print $1, $2, $NF }'
xz -t n.xz; xzcat n.xz | cmp - n
xz n
xz -f -9e n; unxz n.xz; cmp n numbers
xz --format=lzma -k n; unlzma -c n.lzma | cmp - n
xz -T2 -c n | xz -d | cmp - n
xz -d words
echo broken | xz -d
xz nosuch
xz -0 -c n | xz -dc | md5sum
xzgrep -c 1 <(xz -c n)
LIST

run_lines tar <<'LIST'
rm -rf n n.*; seq 1 200 >numbers; mkfifo tree/fifo2; ln -f tree/b/hard tree/hard2
tar cf t.tar tree; tar tf t.tar | sort
mkdir x; tar xf t.tar -C x; (cd x && find . -printf '%P %M %n %l\n' | sort)
tar xvf t.tar -C x tree/a | sort
tar xf t.tar -C x --strip-components=1 tree/b/3.c; ls x
tar xf t.tar nosuch
tar df t.tar | sort
echo changed >tree/a/2.txt; tar df t.tar 2>&1 | sed 's/: Mod time.*/: time/'
tar rf t.tar words; tar tf t.tar | tail -1
tar uf t.tar words; tar tf t.tar | grep -c words
tar --delete -f t.tar words; tar tf t.tar | grep -c words
for z in z j J; do tar c${z}f t.$z tree words && tar t${z}f t.$z | wc -l; done
tar caf t.tar.xz tree; file -b t.tar.xz t.z t.j | cut -d, -f1; tar tf t.tar.xz | wc -l
tar cf - --exclude='*.txt' --exclude=c tree | tar tf - | sort
tar cf - -C tree a --transform 's,^a,z,' | tar tf - | sort
tar cf - -T <(echo words; echo numbers) | tar tf -
tar cf - --null -T <(printf 'words\0numbers\0') | tar tf -
truncate -s 10M sparse; echo end >>sparse; tar cSf s.tar sparse; [ $(stat -c %s s.tar) -lt 100000 ] && echo small
mkdir y; tar xSf s.tar -C y; cmp sparse y/sparse; stat -c %s y/sparse; [ $(stat -c %b y/sparse) -lt 100 ] && echo sparse
mknod dev c 1 3; mknod blk b 7 0; tar cf d.tar dev blk; rm dev blk; tar xf d.tar; stat -c '%n %F %t %T' dev blk
setfattr -n user.x -v y words; touch xa; tar --xattrs -cf xa.tar xa && tar --xattrs -tf xa.tar
chown 1000:1000 xa; chmod 4711 xa; tar cf xa.tar xa; rm xa; tar xpf xa.tar; stat -c '%u %g %a' xa
su user -c "cd /tmp; mkdir -p u; cd u; tar xf $PWD/xa.tar; stat -c '%U %G %a' xa; cd ..; rm -r u"
tar --acls -cf ac.tar words && tar tf ac.tar
tar chf l.tar tree/link; tar tf l.tar | sort
tar czf - tree | tar xzf - -O tree/b/3.c
tar --format=ustar -cf u.tar tree; tar --format=pax -cf p.tar tree; tar tf u.tar | cmp - <(tar tf p.tar)
mkdir -p $(printf 'long%.0s' {1..30})/$(printf 'name%.0s' {1..30}); tar cf long.tar long*; tar tf long.tar | wc -c
tar -c -f m.tar --multi-volume --tape-length=10 numbers </dev/null 2>&1 | tail -1
tar -g snap -cf i1.tar tree; touch tree/new; sleep 1; tar -g snap -cf i2.tar tree; tar tf i2.tar | grep -v '/$'
tar cf x.tar; tar xf nosuch.tar; tar tf words; tar
tar cvf /dev/null words numbers
tar --totals -cf /dev/null words 2>&1 | cut -d: -f1
tar -xf t.z --to-command='wc -c' words
tar -k -xf t.z words 2>&1; tar --overwrite -xf t.z words
chmod 000 tree/a/2.txt; su user -c "cd $PWD; tar cf /dev/null tree" 2>&1 | sort; chmod 644 tree/a/2.txt
LIST

run_lines bc-file <<'LIST'
echo '1+2*3' | bc
echo 'scale=5; 22/7; sqrt(2)' | bc
echo '2^100' | bc
echo 'ibase=16; FF; obase=2; 5' | bc
echo 'e(1); s(1); l(10)' | bc -l
echo 'for (i = 0; i < 3; i++) i' | bc
echo 'define f(x) { return (x*2); } f(21)' | bc
echo '1/0' | bc
echo 'x +' | bc
echo 'a[1]=5; a[1]*2; length(12345); scale(1.23)' | bc
echo 'if (1 < 2) print "yes\n" else print "no\n"' | bc
echo '2^2000' | bc | wc -l
BC_LINE_LENGTH=0 bc <<<'2^500' | wc -c
echo '5 3 + p' | dc
bc nosuch
file words numbers tree /bin/sh /etc/passwd tree/fifo /dev/null tree/dangling | sed 's/  */ /'
file -b --mime words t.z /bin/true /etc/passwd
file -bi tree
file -L tree/link
file nosuch
file -f <(echo words)
printf '\211PNG\r\n\032\n' | file -
printf '#!/usr/bin/perl\n' | file -b -
printf '\177ELF' | file -b -
: >empty; file empty; file -z t.z | cut -d'(' -f1
LIST

run_lines util-linux <<'LIST'
printf 'a:b\nlong:c\n' | column -t -s:
seq 1 30 | column -c 40
seq 1 10 | column -x -c 30
printf 'a b\nc d\n' | column -t -N X,Y -o '|'
printf 'a b\n' | column -J -N X,Y -n tab
getopt -o ab:c:: --long alpha,beta: -n prog -- -a -b 1 -c2 --beta=x rest
getopt -o a -n prog -- -z
getopt -T
hexdump -C words | head -3
hexdump words | tail -2
hexdump -e '4/1 "%02x " "\n"' -n 8 words
hd -s 3 -n 5 words
head -c 20 /dev/zero | hexdump -v | tail -1
head -c 64 /dev/zero | hexdump
look foo words
look nosuch words
rev <<<'abc def'
printf 'a\bb\n' | col -b | od -c
printf 'a\tb\n' | colcrt
printf 'abcdef\n' | colrm 2 4
printf 'a_\b_b\n' | ul -t dumb
setsid -w sh -c 'exit 7'
setsid sh -c 'ps -o tty= -p $$' | tr -d ' '
flock lockfile echo locked
flock -n lockfile sh -c 'flock -n lockfile echo twice; echo $?'
flock -w 0.1 lockfile flock -w 0.1 -E 9 lockfile true
flock -s lockfile flock -s -n lockfile echo shared
flock -u lockfile true; flock nosuch/x true
exec 8>lockfile; flock -x 8; flock -n lockfile true; flock -u 8; flock -n lockfile echo free; exec 8>&-
ionice -c 3 ionice
ionice -c 2 -n 5 ionice
ionice -c 9 true
ionice -p 999999
prlimit --nofile=100:200 sh -c 'ulimit -Sn; ulimit -Hn'
prlimit -n --output RESOURCE,DESCRIPTION --noheadings
prlimit --nproc=5:3 true
prlimit --pid 999999
taskset 1 sh -c 'taskset -p $$' | sed 's/pid [0-9]*/pid N/'
taskset -c 0 taskset -cp $$ | sed 's/pid [0-9]*/pid N/'
taskset 0 true 2>&1 | sed 's/pid [0-9]*/pid N/'
taskset -p 999999
chrt -p $$ | sed 's/pid [0-9]*/pid N/'
chrt -b 0 chrt -p $$ | sed 's/pid [0-9]*/pid N/'
chrt -f 10 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'
chrt -r 1000 true
chrt -m
chrt -i 0 sh -c 'chrt -p $$' | sed 's/pid [0-9]*/pid N/'
su user -c 'chrt -f 10 true'
nice -n 5 nice
nice -n -5 nice
su user -c 'nice -n -5 nice'
renice -n 3 -p 999999
su user -c 'renice -n 3 -p 1'
su user -c 'unshare -m true'
nsenter -t 999999 -m true
losetup nosuch
losetup -d /dev/loop99
swapon nosuch
swapoff nosuch
swapon words
swapon -s
fdisk -l nosuch
fdisk nosuch
sfdisk -l nosuch
blkid nosuch
blockdev --getsize64 words
mkfs -t nosuch words
fsck -N -t ext4 nosuch | tail -1
mount -t xyz none /mnt
mount -t tmpfs tmpfs nosuch
mount -t tmpfs -o size=1m,mode=750 tmpfs /mnt; stat -c '%a %U' /mnt; findmnt -no FSTYPE,SOURCE /mnt; df --output=fstype,target /mnt | tail -1; umount /mnt
mount -t tmpfs x /mnt; mountpoint /mnt; mountpoint -d /mnt | cut -d: -f1; echo a >/mnt/f; umount /mnt; mountpoint /mnt; ls /mnt
mount -t tmpfs x /mnt; (cd /mnt; umount /mnt); umount -l /mnt
mount --bind tree /mnt; ls /mnt; mount -o remount,ro,bind /mnt; touch /mnt/x; umount /mnt
mount -t tmpfs -o ro x /mnt; touch /mnt/x; mount -o remount,rw /mnt && touch /mnt/x && ls /mnt; umount /mnt
mount -t tmpfs -o noexec,nosuid,nodev x /mnt; cp /bin/true /mnt; /mnt/true; findmnt -no OPTIONS /mnt | grep -o 'nosuid,nodev,noexec'; umount /mnt
mount -t tmpfs -o size=64k x /mnt; head -c 100000 /dev/zero >/mnt/big; stat -c %s /mnt/big; umount /mnt
umount /mnt; umount nosuch
su user -c 'mount -t tmpfs x /mnt'
su user -c 'umount /proc'
mountpoint /proc; mountpoint words; mountpoint nosuch; mountpoint -q /
findmnt -no TARGET,FSTYPE /proc; findmnt -t xyz; findmnt /nosuch
lscpu | grep -cE '^(Architecture|CPU\(s\)|Vendor ID|Byte Order)'
lscpu -p | grep -vc '^#' | awk '{ print $1 > 0 }'
ipcs | grep -c -- '---'
dmesg --level nosuch
kill -l 9; kill -l TERM; /bin/kill -l | head -3; /bin/kill 999999; /bin/kill -s NOSUCH 1; /bin/kill
/bin/kill -L | head -2; su user -c '/bin/kill 1'
more words | tail -2; more nosuch; more tree
namei /etc/passwd; namei -l /etc/passwd; namei -x /proc | tail -1; namei nosuch; namei -m tree/link/1
mcookie | tr -d '0-9a-f' | wc -c
whereis -b ls; whereis nosuch
wall nothing; write user nosuch </dev/null
last -f nosuch; lastb -f nosuch; last -f /dev/null | wc -l
script -qc 'echo in script; tty >/dev/null && echo terminal' typescript | tr -d '\r'; tr -d '\r' <typescript | grep -v '^Script'
script -qec 'exit 6' /dev/null
script -q -O out -T timing -c 'echo timed' >/dev/null; scriptreplay -t timing -O out -m 0.01 | tr -d '\r'
choom -n 100 -- sh -c 'cat /proc/self/oom_score_adj'
hwclock --nosuch; rtcwake -m nosuch
lsblk nosuch; lslocks -n | wc -l; lslogins -u -o USER,UID --noheadings | sort | head -2; true
pivot_root nosuch nosuch; switch_root; partx -s nosuch; wipefs nosuch; mkswap nosuch
resizepart; setarch x86_64 uname -m; setarch -R true; setarch nosuch true
setpriv --dump | grep -E '^(uid|gid|no_new)'; setpriv --reuid nosuch true; setpriv --no-new-privs su user -c true
setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all sh -c 'grep -E "^Cap(Eff|Bnd)" /proc/self/status'
setterm --foreground nosuch; setterm --reset | od -c | head -1 ; isosize nosuch
utmpdump </dev/null; runuser user; runuser -u nosuch true; runuser -u user -- whoami; runuser -l user -c pwd
agetty --nosuch; addpart; delpart; mesg
ipcmk; ipcrm; lsipc -m | head -1; lsirq --nosuch; lsfd --nosuch; uclampset --nosuch; hardlink --nosuch 2>&1 | head -1; hardlink -n tree >/dev/null; echo $?
LIST

run_lines procps <<'LIST'
ps -o user=,ppid=,comm=,args= -p $$ | sed 's/ [0-9]* / N /'
ps -o pid,nosuch
ps -p 999999
ps -C nosuch -o pid=
ps -e -o comm= | grep -c '^ps$'
ps aux | head -1; ps -ef | head -1; ps -l | head -1; ps axjf | head -1; ps -o pid,stat,wchan:10,ni,pri,rss | head -1
sleep 50 & till 'ps -o stat=,comm= -p $! | grep "^S .*sleep"'; ps -o stat=,comm=,args=,ni=,nlwp=,tty= -p $!; kill $!; wait $!
sleep 51 & kill -STOP $!; till 'ps -o stat= -p $! | grep T'; ps -o stat= -p $!; kill -KILL $!; wait $!
nice -n 7 sleep 52 & till 'ps -o comm=,stat= -p $! | grep "sleep *SN"'; ps -o stat=,ni= -p $!; kill $!; wait $!
sleep 53 & sleep 54 & till '[ $(pgrep -fxc "sleep 5[34]") = 2 ]'; pgrep -fc 'sleep 5[34]'; pgrep -x sleep | wc -l; pkill -f 'sleep 5[34]'; wait; pgrep -x sleep
pgrep -l -x nosuch; pgrep; pkill -0 -x nosuch; pgrep -u nosuch
su user -c 'exec sleep 56' & till 'pgrep -u user -x sleep'; pgrep -u user -x sleep | wc -l; ps -u user -o user=,comm= | sort; pkill -u user 2>/dev/null; wait 2>/dev/null
free | awk '{ print $1, NF }'; free -h --si -t | awk '{ print $1, NF }'; free -x
uptime | sed 's/.*up.*load average:.*/shape/'; uptime -p | cut -d' ' -f1; uptime -s | wc -c
vmstat | awk '{ print NF }'; vmstat -s | grep -c memory; vmstat nosuch
w -h | wc -l; tload --nosuch 2>&1 | head -1; watch 2>&1 | head -2
top -b -n1 | sed -n '1s/top -.*/top/p;7p'; top -b -n1 -p $$ | tail -n +8 | wc -l; top -nosuch 2>&1 | head -1
pmap $$ | head -1 | sed 's/[0-9]*:/N:/'; pmap -x $$ | awk 'NR == 2'; pmap 999999
pwdx $$ | sed 's/^[0-9]*/N/'; pwdx 999999
sysctl kernel.ostype kernel.pid_max | head -1; sysctl nosuch.x; sysctl -w kernel.hostname=other && hostname; true
skill -l | head -1; snice nosuch 2>&1 | head -1; kill -s TERM 999999; slabtop --nosuch 2>&1 | head -1
sleep 57 >held & till 'pgrep -fx "sleep 57"'; fuser held 2>/dev/null | wc -w; fuser -k held >/dev/null 2>&1; wait; killall nosuch; sleep 58 & till 'pgrep -fx "sleep 58"'; killall sleep; wait $!
pstree -A $$ | sed 's/-pstree//;s/---sed//' | head -1 | cut -c1-4; prtstat 999999
LIST

cd / && rm -rf "$work"
echo done
