# SPDX-License-Identifier: MIT
# The host test of kernel/slice, with sanitizers.

HOST_SLICE := $(BUILD)/host/kernel-slice/test_slice
HOST_SLICE_SOURCES := $(wildcard kernel/slice/*.c) $(wildcard tests/kernel/slice/*.c)
HOST_TESTS += $(HOST_SLICE)
HOST_SLICE_CFLAGS := -std=gnu17 -O1 -g -DFB_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla \
    -Ikernel -Itests/kernel/slice -I$(BUILD)/gen -I.

$(HOST_SLICE): $(HOST_SLICE_SOURCES) $(wildcard kernel/*/*.h tests/kernel/slice/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_SLICE_CFLAGS) -o $@ $(HOST_SLICE_SOURCES) -pthread
