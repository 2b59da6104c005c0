# SPDX-License-Identifier: MIT
# image: apps
# vim: edits by script, undo and registers, recovery from a swap file after a kill, and a session of
# keys on a terminal.

export TERM=xterm
seq 1 1000 >numbers
vim -es -u NONE -N numbers -c '%s/\v^(\d*)7$/seven \1/' -c 'g/^seven/d' -c '1,3m$' -c 'normal Gyyp' -c 'sort! n' -c wq; echo "status $?"
wc -l <numbers; head -n 3 numbers | tr '\n' ' '; echo
vim -es -u NONE -N numbers -c 'let n = 0 | for i in range(1, 2000) | let n += i | endfor' -c 'call writefile([n], "sum")' -c '%!sort -n | head -n 5' -c 'w! five' -c qa!; cat sum five
vim -es -u NONE -N -c 'call setline(1, ["one", "two"])' -c 'normal! ggdd' -c undo -c 'w undone' -c 'call writefile([string(systemlist("echo from a shell"))], "system")' -c qa!; cat undone system
{ sleep 1; printf 'ihello from keys\033yyp:s/keys/a session/\r:wq\r'; sleep 1; } |
    script -qec 'stty rows 24 cols 80; vim -u NONE -N typed' /dev/null >screen 2>&1; echo "status $?"
cat typed; grep -aq 'hello from' screen && echo drawn
mkfifo hold
{ printf 'ichanged text\033:preserve\r'; cat hold; } | script -qec 'stty rows 24 cols 80; vim -u NONE -N kept' /dev/null >/dev/null 2>&1 &
until [ "$(strings -n 4 .kept.swp 2>/dev/null | grep -c 'changed text')" = 1 ] || grep -aqs 'changed text' .kept.swp; do sleep 0.2; done
pkill -9 -x vim; : >hold; wait
vim -es -u NONE -N -r kept -c 'w! recovered' -c qa!; cat recovered
