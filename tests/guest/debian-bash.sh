#!/bin/bash
# SPDX-License-Identifier: MIT
# bash's everyday features one by one, as Debian ships it.  The output is the same, byte
# for byte, on every system that keeps Linux's promises.
#
# usage: bash debian-bash.sh [DIRECTORY]     works in a new directory below it (/tmp)

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
umask 022
work=${1:-/tmp}/bash-work
rm -rf "$work"
mkdir -p "$work" && cd "$work" || exit 1

section() { printf '=== %s\n' "$*"; }
show() { printf '%s -> %s\n' "$1" "$2"; }
# Run text in a bash of its own, with both streams shown, and its status.
b() {
    bash -c "$1" name one two 2>&1 </dev/null | sed 's/line [0-9]*: //'
    local status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || echo "status $status"
}

section expansion
echo a{b,c}d {1..5} {a..e..2} {01..10..3} x{,y}z {3..1}
v=/usr/local/lib/name.tar.gz
echo "${v##*/} ${v%/*} ${v%%.*} ${v#*.} ${v/l/L} ${v//l/L} ${v/#\/usr/U} ${v/%gz/xz} ${#v} ${v:5:5} ${v: -2} ${v:0:-3}"
w='mixed Case'; echo "${w^} ${w^^} ${w,,} ${w~~} ${w@Q} ${w@U} ${w@u} ${w@L}"
unset u; echo "${u-d} ${u:-d} ${u:=set} $u ${u:+alt} ${!u-} ${#u}"
b 'echo ${nosuch:?is not there}; echo never'
b 'set -u; echo $nosuch; echo never'
arr=(one 'two words' three); arr+=(four); arr[7]=eight
echo "${arr[@]}" "${#arr[@]}" "${!arr[@]}" "${arr[@]:1:2}" "${arr[-1]}" "${arr[*]/o/0}"; unset 'arr[1]'; declare -p arr
declare -A map=([x]=1 [y]='two 2'); map[z]=3; for k in x y z; do echo "$k=${map[$k]}"; done; echo "${#map[@]}" "${map[nokey]-none}"
for e in "${arr[@]}"; do printf '<%s>' "$e"; done; echo
IFS=,; set -- a b c; echo "$*"; echo "$@"; IFS=$' \t\n'; set --
n=v; echo "${!n}"; declare -n ref=w; ref=changed; echo "$w"; printf -v out '%03d' 7; echo "$out"; vvv=1; vvw=2; echo "${!vv@}"
echo $((2 ** 10)) $((7 / 2)) $((-7 % 3)) $((16#ff)) $((2#101)) $((1 << 4 | 1)) $((5 > 3 ? 1 : 0)); ((x = 5, x++, x *= 2)); echo $x; let y=x+1 z=y*2; echo $y $z
b 'echo $((1 / 0))'; b 'echo $((08))'; b 'declare -i i=3+4; i+=5; echo $i'; echo $((9223372036854775807 + 1))
echo $'tab\there \x41\101\u41 \'q\'' "$(printf 'trailing\n\n\n')" "`echo back \`echo ticks\``"
echo ~ ~root ~user ~nosuch; cd /usr; cd /tmp; echo ~- ~+; cd "$work"
touch a1 a2 b1 .hid 'sp ace'; echo *; echo a?; echo [!a]*; echo .h*; shopt -s dotglob; echo *; shopt -u dotglob
shopt -s extglob nullglob
echo !(a*) @(a|b)1 +(a)1 ?(x)a1 *(z)b1 none*; shopt -u nullglob; echo none*; b 'shopt -s failglob; echo none*'
mkdir -p d/e/f; touch d/e/f/g; shopt -s globstar; echo **/g d/**; set -f; echo *; set +f; GLOBIGNORE='a*'; echo *; unset GLOBIGNORE
[[ abc == a* && abc =~ ^(a)(b) && ! x -nt y ]] && echo "${BASH_REMATCH[@]}"; [[ a < b ]] && echo less; [[ 10 -gt 9 ]] && echo more; [[ -v w && -z '' && -n x ]] && echo set
echo "$(< a1)" "$(<<<word cat)" "${PIPESTATUS[0]}" "$((${#w} + 1))" "$-" "$#" "$0" | sed "s,$0,script,;s/ [a-zA-Z]* / flags /"

section control
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; for ((i = 3; i > 0; i--)); do printf '%d ' $i; done; echo
while read -r a rest; do echo "$a|$rest"; done <<<$'1 2 3\n4 5'; until ((i++ > 2)); do :; done; echo $i
for i in 1 2; do for j in 1 2; do [ $j = 2 ] && continue 2; [ $i = 2 ] && break 2; echo $i$j; done; done
case abc in x) echo x ;; a*) echo a ;& z) echo fall ;;& *c) echo c ;; *) echo no ;; esac; case '[x]' in \[*\]) echo bracket ;; esac
select s in first second; do echo "chose $s"; break; done <<<2 2>/dev/null
f() { local x=in; g; return 3; }; g() { echo "$x ${FUNCNAME[*]}"; }; x=out; f; echo $? $x; declare -f f; unset -f f; type f 2>&1 | sed 's/.*line.*: type/type/'
h() { echo "$# $1 ${@:2}"; shift; echo "$1"; set -- new; echo "$1"; }; h a b c; recurse() { (($1)) && { recurse $(($1 - 1)); echo $1; }; }; recurse 3
{ echo group; false; } && echo yes || echo no; ! true; echo $?; ! false; echo $?; (exit 42); echo $?; true && false || echo or
b 'set -e; false; echo never'; b 'set -e; if false; then :; fi; false || true; echo here'; b 'set -o pipefail; false | true'; b 'set -e; trap "echo exit trap \$?" EXIT; false'
b 'exit 256'; b 'exit 300'; b 'return 5'; b 'kill -TERM $$'; b 'nosuchcommand'; b '/etc/passwd'; b '/nosuch/file'; b 'exec nosuch; echo never'; b './d'; b 'break; echo ok'; b 'if'; b 'echo "unclosed'; b ')'
b 'trap "echo ERR" ERR; false; true'; b 'trap "echo DEBUG" DEBUG; true'; b 'trap "echo RETURN" RETURN; f() { :; }; f; . /dev/null'; b 'trap "echo hi" EXIT; exec true'; b 'trap; trap "" HUP; trap -p'; b 'trap "echo int; trap - INT; kill -INT \$\$" INT; kill -INT $$; echo never'
b 'coproc cat; echo x >&${COPROC[1]}; read -ru ${COPROC[0]} y; echo $y'; b 'eval "a=5; echo \$a"; eval'; b '. ./nosuch; echo after'; echo 'echo sourced $1; return 4' >src.sh; . ./src.sh arg; echo $?

section redirection
echo out >o; echo more >>o; cat <o; cat o nosuch >all 2>&1; cat all; { echo e >&2; echo o; } 2>&1 >/dev/null; echo both &>o; echo again &>>o; cat o
cat <<E; cat <<'E'; cat <<-E
v $w $(echo c) \$x
E
v $w $(echo c) \$x
E
	cut
	E
exec 3>fd3; echo three >&3; exec 3>&-; cat fd3; exec 4<fd3; read -r l <&4; echo "$l"; exec 4<&-; echo x >&4; echo $?
set -C; echo x >o; echo $?; echo forced >|o; set +C; cat o; : >o; [ -s o ] || echo empty; echo x >d; echo $?; echo x >/nosuch/y; cat <nosuch; echo $?; exec 5<>o; echo rw >&5; exec 5>&-; cat o
{ fd=; exec {fd}>o; echo "$((fd >= 10))" >&$fd; exec {fd}>&-; cat o; }; echo a | tee o | cat; echo 3<o <o; ls /nosuch 2>/dev/null; echo $?; cat <<<"here $((1 + 1))"
b 'cat <(echo psub)'; b 'exec >&-; echo x'; b 'echo x >/dev/full; echo $?'; b 'read x < <(echo y); echo $x'; b 'echo hello | { read x; echo "in $x"; }; echo "out $x"'; b 'shopt -s lastpipe; echo hello | read x; echo $x'; b 'yes | head -1; echo ${PIPESTATUS[@]}'

section builtins
printf '%s,%d,%5.2f,%x,%q,%b,%(%Y)T\n' s 10 3.14159 255 'a b' 'x\ty' 0; printf '%s\n' a b; printf '%c%c\n' ab cd; printf '%-5s|%5s|\n' a b; printf '%d\n' x; printf '%i %o\n' 0x10 8; printf %s; echo -e 'a\tb\c'; echo; echo -n; echo -E 'a\n'; printf '\x41\n'
read -r a b c <<<'1 2 3 4'; echo "$a|$b|$c"; IFS=: read -ra p <<<a:b:c; echo "${#p[@]}"; read -n 2 t <<<abcdef; echo $t; read -d : t <<<ab:c; echo $t; read -t 0.1 t <<<now; echo $t; read t </dev/null; echo $?; echo 'a\
b' | { read x; echo $x; }; mapfile -t lines <<<$'l1\nl2'; echo "${lines[1]}" ${#lines[@]}; mapfile -n 1 -s 1 m <<<$'q\nr\ns'; echo "${m[@]}"; (read -t 0.2 x < <(sleep 3); [ $? -gt 128 ] && echo timeout)
cd /usr/bin && pwd; cd - >/dev/null; cd nosuch; cd; pwd; cd "$work"; pushd d >/dev/null; dirs -p | wc -l; popd >/dev/null; CDPATH=d cd e; basename "$PWD"; cd "$work"; ln -s d/e sl; cd sl; pwd; pwd -P; cd -P ..; basename "$PWD"; cd "$work"
type -t cd ls if b nosuch; type cd; command -v ls cd; command ls -d d; builtin echo bi; hash ls; hash -t ls; hash -r; alias zz='echo aliased'; alias zz; shopt -s expand_aliases; eval zz; unalias zz; enable -n echo; type -t echo; enable echo; help true | head -1; which cat
declare -r RO=1; RO=2; echo "$RO"; b 'readonly x=1; x=2; echo never'; b 'unset BASH_VERSINFO'; declare -x EX=5; env | grep ^EX; export -n EX; env | grep -c ^EX; declare -p RO; declare -l low=ABC; declare -u up=abc; echo $low $up; local x; typeset -i ti=4/2; echo $ti
getopts_test() { local OPTIND; while getopts ':ab:c' o; do case $o in a) echo a ;; b) echo "b=$OPTARG" ;; :) echo "needs $OPTARG" ;; \?) echo "bad $OPTARG" ;; esac; done; shift $((OPTIND - 1)); echo "rest $*"; }; getopts_test -a -b val -x -ac left over -b; getopts_test -b
umask; umask 027; umask -S; touch um; stat -c %a um; umask 022; umask 999; ulimit -n 100; ulimit -n; ulimit -Sc; ulimit -x 99999999999 2>/dev/null; echo $?; ulimit -a | wc -l; times | wc -l; test -f o -a -d d; echo $?; [ a = b ]; echo $?; [ 1 -eq x ]; echo $?; test; echo $?
shopt -o | wc -l; shopt -p extglob; set -o | grep -c .; set -- x y z; shift 2; echo $1; shift 5; echo $?; set -- ; caller; echo $?; history | wc -l; fc -l 2>/dev/null; compgen -c bas | sort -u | head -2; compgen -A function | head -2; complete -p nosuch; bind -l 2>/dev/null | wc -l; disown 2>/dev/null; suspend 2>/dev/null; logout 2>/dev/null; wait 99999; echo $?; let 0; echo $?; true; : ignored; times >/dev/null
kill -l 9 15 130; kill -l TERM; kill -l | head -1; kill -0 $$; echo $?; kill 2>/dev/null; echo $?; kill -NOSUCH $$; kill 99999999; kill -s 0 1; echo $?

section jobs
sleep 0.1 & wait; echo $?; sleep 9 & one=$!; sleep 8 & two=$!; jobs -p | wc -l; kill %1 %2; wait $one; echo $?; wait $two; echo $?; (exit 7) & wait $!; echo $?; wait %9; echo $?; b 'set -m; sleep 5 & jobs; kill %1; wait %1; echo $?'; b 'set -m; (kill -STOP $BASHPID; echo go) & sleep 0.5; wait %1; echo $?; jobs | cut -c1-30; fg %1; echo $?'; b 'set -m; sleep 0.1 & fg'; b 'sleep 5 & disown; jobs; kill $!'; b '{ sleep 0.1; echo bg; } & echo fg; wait'; b 'set -m; (exit 3) | (exit 4) & wait %1; echo $?'; b 'fg'; b 'bg %3'; b 'wait -n; echo $?; (sleep 0.3; exit 2) & wait -n -p who; echo $? $((who == $!))'; b 'nohup true; echo $BASH_SUBSHELL; (echo $BASH_SUBSHELL); [ $BASHPID = $$ ] && echo same; ([ $BASHPID = $$ ] || echo other); [ $PPID -gt 0 ] && echo parent'
b 'echo $SHLVL; bash -c "echo \$SHLVL"; echo $BASH_VERSION; echo $EUID $UID $HOSTTYPE $OSTYPE $MACHTYPE; echo $RANDOM$SECONDS | grep -c .; RANDOM=1; echo $RANDOM $RANDOM; echo $LINENO $BASH_COMMAND; echo "${BASH_ARGV0} $0 $1 $2 $#"; echo $_; echo ${GROUPS[0]}; echo $PIPESTATUS; echo ${DIRSTACK[0]}; echo $EPOCHSECONDS | grep -c .'
b 'sh -c "echo dash; exit 3"; echo $?; dash -c "echo \${1:-none}; type test; printf %s\\\\n a; f() { local x=1; echo \$x; }; f; trap \"echo T\" TERM; kill -TERM \$\$; [ -t 0 ] || echo notty; ulimit -n; umask; echo \$((5 % 3)); read -r x; echo \$x; wait; set -e; false; echo never" dash arg; echo $?'
b 'bash -n -c "if true"; bash -x -c "echo traced; x=1"; bash -v -c "echo verbose"; bash -r -c "cd /"; bash -i -c true 2>/dev/null; bash --posix -c "echo posix"; bash --nosuch 2>&1 | head -1; echo "echo from stdin \$1" | bash -s arg; bash nosuch.sh; bash -lc "shopt -q login_shell && echo login"; BASH_ENV=src.sh bash -c "echo env"; bash --version | head -1; bash -o errexit -c "false; echo never"; bash -c "echo \$0 \$1" zero one; rbash -c "exec ls"'
cd / && rm -rf "$work"
