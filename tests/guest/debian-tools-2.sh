#!/bin/bash
# SPDX-License-Identifier: MIT
# less, vim.tiny and the tools of accounts (debian-tools.sh has the others), each with its
# everyday options and its errors.  Each line of the lists
# below is a command: it is shown, run, and its status follows if it is not 0.  The output
# is the same, byte for byte, on every system that keeps Linux's promises: no line shows a
# time of now, a process number, an inode, or what only the machine knows.
#
# usage: bash debian-tools-2.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
export TERM=dumb COLUMNS=80
umask 022
work=${1:-/tmp}/debian-tools-2
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

printf 'apple 1\nbanana 22\ncherry 333\nApple 4\n\nfoo.bar\nfoo-bar\n' >words
seq 1 200 >numbers
mkdir tree

run_lines less-vim <<'LIST'
less words | cat
less -N words | cat
less nosuch
less words nosuch | wc -l
less tree
lesspipe | head -1
cat words | less | tail -1
vim.tiny -es -u NONE -c '%s/apple/pear/g' -c 'wq! v1' words; head -1 v1
vim.tiny -es -u NONE -c '2,3d' -c 'wq! v2' words; cat v2
vim.tiny -es -u NONE -c 'g/foo/normal Ix' -c 'wq! v3' words; tail -2 v3
vim.tiny -es -u NONE -c '%!sort' -c 'wq! v4' words; cat v4
vim.tiny -es -u NONE -c '%p' -c 'q!' words
printf '1,2p\n$=\nq!\n' | vim.tiny -es -u NONE words
vim.tiny -es -u NONE -c '1m$' -c 'wq! v6' words; tail -1 v6
vim.tiny -es -u NONE -c 'set ff=dos' -c 'wq! v7' words; file -b v7
vim.tiny -es -u NONE -c '%j' -c 'wq! v8' words; cat v8
vim.tiny -es -u NONE -c 'nosuch' -c 'q!' words
vim.tiny -es -u NONE -c 'w /nosuch/x' -c 'q!' words
vim.tiny -es -u NONE -c 'wq! v9' -c q numbers; cmp v9 numbers
vim.tiny --version | sed -n 1p | cut -c1-20; vim.tiny --nosuch 2>&1 | sed -n 2p
ls .*.sw* 2>/dev/null
LIST

run_lines accounts <<'LIST'
cp -p /etc/passwd /etc/shadow /etc/group /etc/gshadow .
useradd -u 1500 -m -d /home/ann -s /bin/bash -c 'Ann A.' ann; getent passwd ann; id ann; stat -c '%U %G %a' /home/ann; ls -A /home/ann
useradd ann
useradd -u 1500 bob
useradd -g nosuch bob
useradd 'bad name'
useradd -r -M -N -g users sysbob; id sysbob | sed 's/uid=[0-9]*/uid=N/'
groupadd -g 1700 team; groupadd team; groupadd -g 1700 team2; getent group team
usermod -aG team,users ann; id -Gn ann; usermod -s /bin/sh -c 'New' ann; getent passwd ann; usermod -L ann; passwd -S ann | cut -d' ' -f1,2; usermod nosuch
gpasswd -a ann tty; gpasswd -d ann tty; gpasswd -d ann tty; groups ann; groupmod -n crew team; getent group crew; groupdel nosuch
echo 'ann:one two' | chpasswd; passwd -S ann | cut -d' ' -f1,2; getent shadow ann | cut -d: -f2 | cut -c1-3
printf 'new\nnew\n' | passwd ann; printf 'a\nb\n' | passwd ann; passwd -l ann; passwd -u ann; passwd -e ann; passwd -S ann | cut -d' ' -f1,2; passwd nosuch
chage -M 90 -W 5 -I 3 -E 2030-01-01 -d 2025-01-01 ann; chage -l ann; chage -d 0 ann; chage -l ann | head -1; chage nosuch
echo 'new' | su user -c 'su ann -c id'
chage -E -1 ann; echo 'new' | su user -c 'su ann -c id'
su ann -c 'id -un' ; chage -d -1 ann; su ann -c 'id -un; pwd'; su - ann -c 'pwd; echo $HOME $USER $SHELL $PATH'; su -m ann -c 'echo $HOME'
su ann -s /bin/bash -c 'echo $0'; su -w work ann -c 'exit 4'; su ann -c 'kill -9 $$'
su user -c 'passwd -S root; useradd x; userdel ann; chage -l root; chage -l user | head -1'
printf 'x:y:1600:1600:X:/home/x:/bin/sh\n' | newusers; getent passwd x; userdel -r x; id x
chsh -s /bin/bash ann; chfn -f 'Full Name' -r 1 ann; getent passwd ann; chsh -s /nosuch ann
vipw --nosuch 2>&1 | head -1; pwck -r; grpck -r; pwconv; grpconv; stat -c %a /etc/shadow
login --nosuch 2>&1 | head -1; login -f nosuch </dev/null 2>&1 | head -1; faillog -u ann 2>&1 | head -1; lastlog -u ann | tail -1
userdel ann; userdel nosuch; ls -d /home/ann; rm -r /home/ann; groupdel crew; userdel sysbob
who | wc -l; users; logname; groups; id -p 2>&1 | head -1; tty; stty; stty -a </dev/null
nologin; echo $?; getent passwd nosuch; getent nosuch; getent services ssh; getent protocols tcp; cp -p passwd shadow group gshadow /etc
LIST

cd / && rm -rf "$work"
echo done
