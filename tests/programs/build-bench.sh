# SPDX-License-Identifier: MIT
# image: work
# add: bench
# FeuerBird's own bench programs, built here with make's rules for them (musl-gcc and gcc), and run.

cp -r /add/bench . || exit 1
flags="-static -std=c17 -O2 -g -Wall -Wextra -Ibench/micro -pthread"
cat >Makefile <<M
HARNESS := bench/micro/harness.c bench/micro/directory.c
all: micro growth micro-glibc
micro: ; musl-gcc $flags -o \$@ \$(sort \$(wildcard bench/micro/*.c) \$(HARNESS))
growth: ; musl-gcc $flags -o \$@ \$(sort \$(wildcard bench/growth/*.c) \$(HARNESS))
micro-glibc: ; gcc $flags -o \$@ \$(sort \$(wildcard bench/micro-glibc/*.c) \$(filter-out bench/micro/micro.c,\$(wildcard bench/micro/*.c)))
M
make -j4 >log 2>&1; echo "status $?"; grep -i error log | head -n 5
for program in micro growth; do ./$program --list | awk 'END { print (NR >= 20 ? "many rows" : "few rows") }'; done
measured() { awk '{ print $1, ($2 ~ /^[0-9.]+$/ && $2 > 0 ? "measured" : $0) }'; }
./micro -n 3 null_call pipe_round_trip 2>&1 | measured
./micro-glibc -n 3 glibc_malloc_free_64 glibc_fread_4096 2>&1 | measured
