# SPDX-License-Identifier: MIT
# The host test of kernel/cap, with sanitizers.

HOST_CAP := $(BUILD)/host/kernel-cap/test_cap
HOST_CAP_SOURCES := $(wildcard kernel/cap/*.c) $(wildcard tests/kernel/cap/*.c)
HOST_TESTS += $(HOST_CAP)
HOST_CAP_CFLAGS := -std=gnu17 -O1 -g -DFB_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla \
    -Ikernel -Itests/kernel/cap -I$(BUILD)/gen -I.

$(HOST_CAP): $(HOST_CAP_SOURCES) $(wildcard kernel/*/*.h tests/kernel/cap/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_CAP_CFLAGS) -o $@ $(HOST_CAP_SOURCES)
