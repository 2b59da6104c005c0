# SPDX-License-Identifier: MIT
# image: small
# tcc: compiles, links statically and against shared objects, and runs in memory.

cat >main.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int add(int a, int b);
static void *run(void *arg) { return (void *)((long)arg * 2); }
int main(int argc, char **argv) {
    pthread_t t; void *r;
    pthread_create(&t, 0, run, (void *)21L); pthread_join(t, &r);
    char *big = malloc(1 << 24); memset(big, 'x', 1 << 24);
    printf("%d %ld %c %s %.3f\n", add(argc, 1), (long)r, big[1 << 23], argc > 1 ? argv[1] : "-", 1.0 / 3);
    return argc;
}
C
echo 'int add(int a, int b) { return a + b; }' >add.c
tcc -o whole main.c add.c -lpthread && ./whole; echo "status $?"
tcc -c main.c && tcc -c add.c && tcc -o linked main.o add.o -lpthread && ./linked x; echo "status $?"
tcc -shared -o libadd.so add.c && tcc -o shared main.c -L. -ladd -lpthread && LD_LIBRARY_PATH=. ./shared y; echo "status $?"
tcc add.c -lpthread -run main.c in memory; echo "status $?"
echo 'int main(void) { return missing(); }' >bad.c; tcc -o bad bad.c >/dev/null 2>&1; echo "bad $?"
printf '#!/usr/bin/tcc -run\n#include <stdio.h>\nint main(void) { puts("a script in C"); return 5; }\n' >script.c
chmod +x script.c; ./script.c; echo "status $?"
for i in $(seq 1 60); do echo "int f$i(int a) { return a * $i; }"; done >many.c
{ seq -f 'int f%g(int);' 1 60; echo '#include <stdio.h>'; echo 'int main(void) { int s = 0;'; seq -f 's += f%g(2);' 1 60; echo 'printf("%d\n", s); return 0; }'; } >uses.c
tcc -o many many.c uses.c && ./many
