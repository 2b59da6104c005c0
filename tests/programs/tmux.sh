# SPDX-License-Identifier: MIT
# image: apps
# tmux: a detached session, windows and panes, keys, captured screens, buffers, hooks, an attached client.

export TERM=xterm
tm() { tmux -L test -f /dev/null "$@"; }
shows() { # TEXT: waits until the pane does
    for _ in $(seq 1 300); do tm capture-pane -p -t "${2:-first}" | grep -q "$1" && return 0; sleep 0.1; done
    echo "never shown: $1"
}
tm new-session -d -s first -x 80 -y 24 'PS1="$ " bash --norc'; echo "status $?"
tm send-keys -t first 'echo $((6 * 7)) in tmux' Enter; shows '^42 in tmux'; tm capture-pane -p -t first | grep '^42'
tm split-window -h -t first 'cat'; tm list-panes -t first -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_current_command}' | sed 's/bash.*/bash/'
tm send-keys -t first 'typed into cat' Enter; shows 'typed into cat'; tm capture-pane -p -t first | grep -c typed
tm new-window -t first -n second 'seq 1 5000; exec sleep 100'; shows 5000; tm capture-pane -p -S -3000 -t first | grep -c .
tm list-windows -t first -F '#{window_index} #{window_name} #{window_panes}' | cut -d' ' -f1,3
tm set-buffer 'a buffer'; tm show-buffer; echo; tm resize-window -t first -x 100 -y 30; tm display-message -p -t first '#{window_width}x#{window_height}'
tm run-shell 'echo from run-shell >ran'; cat ran
{ sleep 1; printf '\002d'; sleep 1; } | script -qec 'stty rows 24 cols 80; tmux -L test attach -t first' /dev/null >client 2>&1; grep -ac detached client
tm wait-for -S ready; tm wait-for ready; echo "waited $?"
tm list-sessions -F '#{session_name} #{session_windows}'; tm kill-server; echo "killed $?"
sleep 0.3; tm list-sessions >/dev/null 2>&1; echo "gone $?"
