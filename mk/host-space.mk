# SPDX-License-Identifier: MIT
# Host tests of kernel/frame and kernel/space, with sanitizers.

HOST_SPACE := $(BUILD)/host/kernel-space
HOST_SPACE_PARTS := kernel/base/epoch.c tests/kernel/space/machine.c \
    $(wildcard kernel/frame/*.c) $(wildcard kernel/space/*.c)
HOST_SPACE_NAMES := $(notdir $(basename $(wildcard tests/kernel/frame/test_*.c tests/kernel/space/test_*.c)))
HOST_TESTS += $(addprefix $(HOST_SPACE)/,$(HOST_SPACE_NAMES))
HOST_SPACE_CFLAGS := -std=gnu17 -O1 -g -DFB_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla \
    -Ikernel -Itests/kernel/space -I$(BUILD)/gen -I.

$(HOST_SPACE)/test_random: $(wildcard tests/kernel/space/random_*.c)
$(HOST_SPACE)/%: tests/kernel/space/%.c $(HOST_SPACE_PARTS) $(wildcard kernel/*/*.h tests/kernel/space/*.h) \
    $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_SPACE_CFLAGS) -o $@ $(filter %.c,$^) -pthread
$(HOST_SPACE)/%: tests/kernel/frame/%.c $(HOST_SPACE_PARTS) $(wildcard kernel/*/*.h tests/kernel/space/*.h) \
    $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_SPACE_CFLAGS) -o $@ $(filter %.c,$^) -pthread
