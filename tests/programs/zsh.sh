# SPDX-License-Identifier: MIT
# image: small
# zsh-static: its own expansions, processes, jobs and a session on a terminal.

zsh-static -fc 'print zsh ${ZSH_VERSION%.*}; a=(3 1 2); print ${(o)a} ${(j:,:)a} ${#a}; typeset -A h=(k v x y); print ${(ok)h}'
mkdir -p d/{a,b}/c; touch d/a/{1,2}.txt d/b/c/3.txt; chmod 600 d/a/1.txt
zsh-static -fc 'print -l d/**/*.txt(.); print d/*(/:t); print -l d/**/*(.f600); print d/**/*.txt(N[-1])'
zsh-static -fc 'n=0; for i in {1..100}; do (exit $((i % 3))) || ((n += $?)); done; print subshells $n'
zsh-static -fc 'print ${$(seq 1 1000)[-1]}; seq 1 10 | while read x; do ((s += x)); done; print sum $s'
zsh-static -fc 'diff <(seq 1 5) <(seq 1 6); print "diff $?"; cat =(print temporary); print $pipestatus; true | false | true; print $pipestatus'
zsh-static -fc 'sleep 0.05 & sleep 0.01 & wait; print jobs ${#jobstates}; coproc cat; print -p hello; read -p line; print $line'
zsh-static -fc 'trap "print trapped" USR1; kill -USR1 $$; TRAPEXIT() { print leaving }; f() { setopt localoptions errreturn; false; print never }; f; print after $?'
zsh-static -fc 'print -n x{1..5}y > out 2> err; print ${(f)"$(<out)"}; print multi > one > two; cat one two; zmodload zsh/stat && zstat +size out'
zsh-static -fc 'ulimit -n 50; ulimit -n; umask 027; umask; : > masked; ls -l masked | cut -c1-10'
printf 'print in a session $((6 * 7))\nsetopt monitor 2>/dev/null; sleep 9 & kill %%1; wait; print done\nexit 4\n' |
    script -qec 'zsh-static -f -o no_zle' /dev/null >session 2>&1
echo "status $?"; tr -d '\r' <session | grep -ao "in a session 42" | head -n 1
