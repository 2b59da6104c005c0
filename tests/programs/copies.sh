# SPDX-License-Identifier: MIT
# image: more
# rsync, cpio, tar and compressors, file, patch, attributes; nano and screen on a terminal.

export TERM=xterm
mkdir -p from/{a,b/c}; for i in $(seq 1 60); do seq 1 $((i * 20)) >from/a/f$i; done; ln -s a/f1 from/link; ln from/a/f2 from/b/hard; mkfifo from/fifo; chmod 640 from/a/f3; head -c 300000 /dev/zero | tr '\0' x >from/b/c/large; truncate -s 1M from/sparse; touch -d '2020-01-02 03:04:05' from/a/f*
sum() { (cd "$1" && find . -printf '%p %y %m %n %l\n' | sort | md5sum; find . -type f -print0 | sort -z | xargs -0 md5sum | md5sum); }
sum from; rsync -aHS from/ to; echo "rsync $?"; sum to; echo changed >from/a/f9; rm from/a/f10; echo new >from/new; rsync -aHi --delete from/ to | grep -v '/$'; sum to
printf y | dd of=from/b/c/large bs=1 seek=1000 conv=notrunc 2>/dev/null; touch from/b/c/large; sleep 1.1; touch from/b/c/large; rsync -a --no-whole-file --inplace --stats from/ to | grep -E 'files transferred'; cmp from/b/c/large to/b/c/large && echo same
rsync -rn --exclude 'f*' --list-only from | awk '{ print $NF }'; rsync /nowhere x 2>/dev/null; echo "missing $?"; rsync -a --partial --bwlimit=10000 --checksum --backup --suffix=~ from/ to; echo "status $?"
printf '#!/bin/sh\nshift\nexec "$@"\n' >shell; chmod +x shell; rsync -a -e ./shell from/ host:"$PWD/remote"; echo "remote shell $?"; sum remote
(cd from && find . | sort | cpio -o -H newc 2>/dev/null) >archive; mkdir out; (cd out && cpio -idm --quiet <../archive; echo "cpio $?"); sum out | tail -n 1; cpio -t --quiet <archive | wc -l; (cd from && find a -print0 | cpio -0 -pdm --quiet ../passed); ls passed/a | wc -l
tar -C from -cSf t.tar . && mkdir t && tar -C t -xf t.tar; sum t | tail -n 1; for z in gzip bzip2 xz 'zstd -q' 'xz -T2'; do $z -c t.tar | $z -dc | cmp - t.tar && echo "$z"; done; tar czf t.tgz from && tar tzf t.tgz | wc -l; tar cf - from | tar df - && echo compared
file /bin/bash from/new from/fifo from/link t.tgz archive from /dev/null | sed 's/,.*//; s/  */ /'; file -bi from/new; printf 'a\nb\nc\n' >p1; printf 'a\nB\nc\n' >p2; diff -u p1 p2 >p.diff; patch -s p1 p.diff && cmp p1 p2 && echo patched; patch -s -R p1 p.diff; head -n 2 p1 | tail -n 1; sdiff -s p1 p2 | tr -s ' \t' ' '; diff3 p1 p2 p1 | head -n 1
cp --reflink=auto --sparse=always from/sparse s2; stat -c '%s %b' s2
{ sleep 2; printf 'typed in nano'; sleep 1; printf '\017'; sleep 1; printf '\r'; sleep 1; printf '\030'; sleep 1; } | script -qec 'stty rows 24 cols 80; nano --ignorercfiles written' /dev/null >screen 2>&1; echo "nano $?"; cat written; grep -aq 'GNU nano' screen && echo drawn
export SCREENDIR=$PWD/sockets; mkdir -m 700 sockets; screen -c /dev/null -dmS test bash --norc; for _ in $(seq 1 50); do screen -ls test | grep -q Detached && break; sleep 0.1; done
screen -S test -p 0 -X stuff 'echo in screen >wrote\n'; for _ in $(seq 1 100); do [ -s wrote ] && break; sleep 0.1; done; cat wrote; screen -S test -X screen sh -c 'echo second >second'; for _ in $(seq 1 100); do [ -s second ] && break; sleep 0.1; done; cat second
{ sleep 2; printf '\001d'; sleep 2; } | script -qec 'stty rows 24 cols 80; screen -r test' /dev/null 2>&1 | grep -aoc 'detached from'; screen -S test -X quit; sleep 1; screen -ls test | grep -c 'No Sockets'
