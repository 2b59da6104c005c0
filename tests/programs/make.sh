# SPDX-License-Identifier: MIT
# image: small
# make -j4 with a compiler: a program of 60 files, rebuilds, a job server across two levels, errors.

mkdir -p src; {
    echo '#include <stdio.h>'; seq -f 'int f%g(void);' 1 60; echo 'int main(void) { int s = 0;'
    seq -f 's += f%g();' 1 60; echo 'printf("sum %d\n", s); return 0; }'; } >src/main.c
for i in $(seq 1 60); do printf '#include "all.h"\nint f%d(void) { return %d * FACTOR; }\n' "$i" "$i"; done | split -l 2 -d -a 2 --additional-suffix=.c - src/f
echo '#define FACTOR 2' >src/all.h
cat >Makefile <<'M'
CC = tcc
SOURCES := $(wildcard src/*.c)
OBJECTS := $(SOURCES:src/%.c=obj/%.o)
program: $(OBJECTS)
	$(CC) -o $@ $^
obj/%.o: src/%.c src/all.h | obj
	@echo $< >>log
	$(CC) -c -o $@ $<
obj:
	mkdir $@
deep: ; @$(MAKE) -C sub all
fails: one two
one: ; @sleep 0.1; echo one
two: ; @exit 3
clean: ; rm -rf obj program log
.PHONY: deep fails one two clean
M
make -j4 >built 2>&1; echo "status $? files $(wc -l <log)"; ./program
make -j4 2>&1 | tail -n 1
sleep 0.02; touch src/f07.c; : >log; make -j4 >/dev/null 2>&1; sort log
sleep 0.02; echo '#define FACTOR 3' >src/all.h; : >log; make -j4 >/dev/null 2>&1; wc -l <log; ./program
mkdir sub; printf 'N := $(shell seq 1 40)\nall: $(N)\n$(N): ; @sleep 0.01; echo $@ >>out\n' >sub/Makefile
make -s -j4 deep 2>&1 | grep -v directory; sort -n sub/out | uniq | wc -l
make -k -j4 fails >fails.out 2>&1; echo "status $?"; grep -c one fails.out
make -j4 clean >/dev/null; ls
make -j4 --output-sync=target program 2>&1 | grep -c 'tcc -c'
printf 'all: a b\na b: ; @echo $@\n.NOTPARALLEL:\n' | make -s -j4 -f - all
printf 'x: ; @sleep 30\n' >Slow; make -f Slow x >/dev/null 2>&1 & sleep 0.2; kill -TERM $!; wait $!; echo "terminated $?"
