# SPDX-License-Identifier: MIT
# image: build
# mem: 3000
# cmake with ninja and with make, a library, tests by ctest; valgrind over a program with threads.

mkdir src; cat >src/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(small C)
enable_testing()
find_package(Threads REQUIRED)
add_library(part SHARED a.c b.c)
add_executable(program main.c)
target_link_libraries(program part Threads::Threads)
add_custom_command(OUTPUT made.h COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_SOURCE_DIR}/made.in made.h)
target_sources(program PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/made.h)
target_include_directories(program PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
foreach(n RANGE 1 12)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/g${n}.c "int g${n}(void) { return ${n}; }\n")
    target_sources(part PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/g${n}.c)
endforeach()
add_test(NAME runs COMMAND program)
add_test(NAME fails COMMAND program bad)
set_tests_properties(fails PROPERTIES WILL_FAIL TRUE)
install(TARGETS program part)
C
echo '#define MADE 5' >src/made.in; echo 'int a(void) { return 1; }' >src/a.c; echo 'int b(void) { return 2; }' >src/b.c
cat >src/main.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "made.h"
int a(void), b(void), g12(void);
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static int total;
static void *run(void *p) { int *n = malloc(400); n[0] = *(int *)p; pthread_mutex_lock(&m); total += n[0]; pthread_mutex_unlock(&m); free(n); return p; }
int main(int argc, char **argv) {
    pthread_t t[4]; int n[4]; (void)argv;
    for (int i = 0; i < 4; i++) { n[i] = i; pthread_create(&t[i], 0, run, &n[i]); }
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    printf("%d\n", a() + b() + g12() + MADE + total); return argc - 1;
}
C
for generator in Ninja 'Unix Makefiles'; do
    rm -rf build; cmake -S src -B build -G "$generator" >configured 2>&1; echo "configured $?"; tail -n 1 configured | sed 's/: .*//'
    cmake --build build -j 4 >built 2>&1; echo "built $?"; build/program; (cd build && ctest -j 2 | grep -E 'tests passed|Passed|Failed' | sed 's/  *[0-9.]* sec//; s/^[0-9]*.2 //' | sort)
    sleep 1.1; touch src/a.c; cmake --build build 2>&1 | grep -c 'a.c.o'; cmake --install build --prefix "$PWD/inst" >/dev/null; ls inst inst/bin
done
cmake -E sha256sum src/a.c | cut -c1-8
cat >leaks.c <<'C'
#include <stdlib.h>
int main(void) { int *p = malloc(40), *q = malloc(16); if (q[1] == 5) q[0] = 1; p[10] = 3; free(q); p = 0; return 7; }
C
gcc -g -O0 -o leaks leaks.c; valgrind --leak-check=full ./leaks 2>report; echo "valgrind $?"; grep -oE 'Invalid write|uninitialised|definitely lost: [0-9]* bytes' report
valgrind -q --tool=helgrind build/program 2>races; echo "helgrind $? $(grep -c 'data race' races)"; valgrind -q build/program; echo "memcheck $?"
