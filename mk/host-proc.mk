# SPDX-License-Identifier: MIT
# Host tests of processes, signals and the system-call table, over the host's stand-in, with sanitizers.  The archive is linked whole:
# the table's weak handlers must be overridden, as they are on the machine.

LIBOS_PROC_TESTS := $(patsubst libos/%.c,$(BUILD)/host/%,\
    $(wildcard libos/proc/test/test_*.c libos/signal/test/test_*.c libos/signal/test/fuzz_*.c libos/posix/test/test_*.c libos/ready/test/test_*.c))
HOST_TESTS += $(LIBOS_PROC_TESTS)
$(LIBOS_PROC_TESTS): $(BUILD)/host/%: libos/%.c $(BUILD)/host/libos.a libos/proc/test/world.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< -Wl,--whole-archive $(BUILD)/host/libos.a -Wl,--no-whole-archive

# The calls and the arguments of tests/guest/c/fuzz, made to the rooms on the host.
FUZZ_CALLS := $(BUILD)/host/posix/test/fuzz_calls
HOST_TESTS += $(FUZZ_CALLS)
$(FUZZ_CALLS): libos/posix/test/fuzz_calls.c $(wildcard tests/guest/c/fuzz/*.[ch]) tests/guest/c/check.h \
    $(BUILD)/host/libos.a libos/proc/test/world.h libos/core/test/check.h
	@mkdir -p $(@D)
	for f in args table; do $(LIBOS_CC) -std=gnu17 -O1 -g -DFUZZ_HOST -c -o $@.$$f.o tests/guest/c/fuzz/$$f.c || exit; done
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< $@.args.o $@.table.o -Wl,--whole-archive $(BUILD)/host/libos.a \
	    -Wl,--no-whole-archive
