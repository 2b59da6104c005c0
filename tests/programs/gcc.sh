# SPDX-License-Identifier: MIT
# image: work
# gcc: preprocesses, compiles, assembles, links statically and dynamically; threads, shared objects,
# link-time optimization, dependency files, errors; archives.

cat >main.c <<'C'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int add(int, int);
static _Thread_local int mine;
static void *run(void *arg) { mine = (int)(long)arg; return (void *)(long)(mine * 2); }
int main(int argc, char **argv) {
    pthread_t t[4]; long sum = 0;
    for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, run, (void *)i);
    for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
    printf("%d %ld %.4f %s\n", add(argc, 1), sum + mine, sqrt(argc), argc > 1 ? argv[1] : "-");
    return argc;
}
C
echo 'int add(int a, int b) { return a + b; }' >add.c
for level in -O0 -O2 -O3 '-Os -flto' '-O2 -static' '-g -pie -fPIE' '-O1 -pipe'; do
    rm -f main; gcc $level -Wall -Wextra -o main main.c add.c -lm && ./main "$level"; echo "status $?"
done
gcc -E main.c | grep -c pthread_create; gcc -S -O2 add.c -o - | grep -c ret; gcc -MMD -c add.c && cat add.d
gcc -fPIC -shared -o libadd.so add.c && gcc -o shared main.c -L. -ladd -lm -Wl,-rpath,"$PWD" && ./shared so; echo "status $?"
ar rcs libadd.a add.o && gcc -o archived main.c libadd.a -lm && ./archived a; nm libadd.a | grep -c add
objdump -d add.o | grep -c ret; strip -o small main && ./small stripped; readelf -h main | grep -c ELF64
echo 'int main(void) { return undefined(); }' | gcc -x c - 2>/dev/null; echo "link error $?"
echo 'int main(void) { syntax' | gcc -fsyntax-only -x c - 2>/dev/null; echo "syntax error $?"
echo 'int main(void) { int *p = 0; return *(volatile int *)p; }' | gcc -x c - -o fault; ./fault 2>/dev/null; echo "fault $?"
echo 'main: ; .globl main; xor %eax,%eax; mov $7,%al; ret; .section .note.GNU-stack,""' | tr ';' '\n' >a.s; gcc a.s -o a && ./a; echo "assembler $?"
{ for i in $(seq 1 400); do printf 'int g%d(int a) { int s = 0; for (int i = 0; i < a; i++) s += i * %d ^ (s >> 3); return s; }\n' "$i" "$i"; done; echo 'int main(void) { return g400(10) & 63; }'; } >long.c
gcc -O2 -o long long.c && ./long; echo "long $?"; size -A long >/dev/null && echo sized
gcov --version >/dev/null && gcc --coverage -o covered add.c main.c -lm && ./covered x >/dev/null; ls ./*.gcda | wc -l
