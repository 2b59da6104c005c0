# SPDX-License-Identifier: MIT
# What runs natively in Ring 3: the kernel's capability check and the LibOS's heap, with optimisation and
# without sanitizers, for `tools/feuer bench --zones`; and what `--size` boots.

NATIVE := $(BUILD)/native/capability $(BUILD)/native/allocator
NATIVE_CFLAGS := -std=gnu17 -O2 -g -fno-strict-aliasing $(WARNINGS)

$(BUILD)/native/capability: bench/native/capability.c bench/native/ticks.h $(wildcard kernel/cap/*.[ch] tests/kernel/cap/fake.[ch]) \
    $(GENERATED)
	@mkdir -p $(@D)
	gcc $(NATIVE_CFLAGS) -DFB_HOST -Ikernel -Itests/kernel/cap -I$(BUILD)/gen -I. -o $@ $< $(wildcard kernel/cap/*.c) tests/kernel/cap/fake.c

$(BUILD)/native/allocator: bench/native/allocator.c bench/native/ticks.h sdk/heap.c sdk/heap.h \
    $(wildcard libos/core/*.[ch] libos/core/host/*.[ch] libos/sched/*.[ch]) $(GENERATED)
	@mkdir -p $(@D)
	gcc $(NATIVE_CFLAGS) -DLIBOS_HOST -D_GNU_SOURCE $(LIBOS_INCLUDES) -o $@ $< \
	    $(wildcard libos/core/*.c libos/core/host/*.c libos/sched/*.c) sdk/heap.c

# The first program of the guests of `tools/feuer bench --size`.
START := $(BUILD)/size/start
$(START): bench/size/start.c
	@mkdir -p $(@D)
	musl-gcc $(GUEST_CFLAGS) -s -pthread -o $@ $<

benches: $(NATIVE) $(START)

# The zones against their targets (5 minutes), whole programs (15), size and start (5); longer on a busy host.
bench-zones bench-programs bench-size: bench-%: all agent image benches
	@tools/feuer bench --$* $(BENCH_ARGS)
.PHONY: bench-zones bench-programs bench-size
