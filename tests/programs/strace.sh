# SPDX-License-Identifier: MIT
# image: debug
# strace: of a pipeline with its children, of a threaded program, attached, with results of its own.

cat >threads.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *run(void *arg) { write((int)(long)arg, "thread\n", 7); return NULL; }
int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) { pthread_create(&t[i], NULL, run, (void *)1L); pthread_join(t[i], NULL); }
    return 9;
}
C
gcc -o threads threads.c -pthread
strace -qq -e trace=write,execve -o out echo hello; echo "status $?"
sed 's/0x[0-9a-f]*/ADDRESS/; s/[0-9]* vars/N vars/' out
strace -f -qq -e trace=write -o out sh -c 'echo one | cat | tr a-z A-Z'; echo "status $?"
sed 's/^[0-9]* *//' out | grep -v SIGCHLD | sort
strace -f -e trace=write -o out ./threads; echo "status $?"
sed 's/^[0-9]* *//' out
strace -f -c -o out sh -c 'true | true; ls / >/dev/null'; echo "status $?"
awk '$NF ~ /^execve$/ { print $4, $NF }' out | sort -k 2
strace -e inject=getppid:retval=77 -o out sh -c 'echo $PPID'; strace -e inject=mkdir:error=EDQUOT -o out mkdir x; echo "status $?"
ls -d x 2>&1
sleep 100 & pid=$!
strace -qq -e trace=none -e signal=all -o out -p $pid & tracer=$!
for i in $(seq 100); do grep -q "^TracerPid:.[1-9]" /proc/$pid/status && break; sleep 0.1; done
grep -c "^TracerPid:.$tracer$" /proc/$pid/status
kill -STOP $pid; sleep 0.3; kill -CONT $pid; sleep 0.3; kill -TERM $pid; wait $pid; echo "ended $?"; wait $tracer
sed 's/si_pid=[0-9]*/si_pid=N/; s/^[0-9]* *//' out
