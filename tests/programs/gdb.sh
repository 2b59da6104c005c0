# SPDX-License-Identifier: MIT
# image: debug
# gdb: breaks, steps, looks, watches (in software), catches a fork, follows threads, attaches.

cat >prog.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
struct pair { int first; const char *second; } pair = { 7, "seven" };
volatile int counter;
int twice(int n) { counter += n; return n * 2; }
static void *run(void *arg) { return (void *)(long)twice((int)(long)arg); }
int main(int argc, char **argv) {
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, run, (void *)21L);
    pthread_join(t, &r);
    pid_t child = fork();
    if (child == 0) _exit(3);
    waitpid(child, NULL, 0);
    twice(4);
    for (int i = 0; argc > 1 && i < 600 && counter != 1000; i++) usleep(100000);
    return counter;
}
C
gcc -g -O0 -o prog prog.c -pthread
say() { sed -e 's/0x[0-9a-f]*/ADDRESS/g' -e 's/LWP [0-9]*/LWP N/' -e 's/process [0-9]*/process N/'; }
export SHELL=/bin/sh
g() { gdb -nx -q -batch -ex 'set debuginfod enabled off' -ex 'set can-use-hw-watchpoints 0' "$@" 2>err; }
g -ex 'break twice' -ex run -ex 'bt 2' -ex 'print n' -ex 'print pair' -ex finish -ex 'info threads' ./prog | say | grep -v 'in ??\|Using host\|libc\|linux-vdso' | grep '^#[01]\|^\$\|^Value\|hit'
g -ex 'break main' -ex run -ex next -ex 'watch counter' -ex continue -ex continue -ex 'delete' -ex continue ./prog | say | grep 'value =\|hit\|exited'
g -ex 'catch fork' -ex run -ex continue ./prog | say | grep 'Catchpoint\|exited with'
g -ex 'break twice if n == 4' -ex run -ex 'set var n = 50' -ex 'print twice(100)' -ex continue ./prog | say | grep '^\$\|exited with'
g -ex 'break main' -ex run -ex 'stepi 200' -ex 'print $pc != 0' -ex kill ./prog | say | grep '^\$'
./prog stay & pid=$!
for i in $(seq 100); do [ "$(cut -d' ' -f3 /proc/$pid/stat)" = S ] && break; sleep 0.1; done
sleep 1
g -p $pid -ex 'print counter' -ex 'set var counter = 1000' -ex detach | say | grep '^\$'
wait $pid; echo "status $?"
