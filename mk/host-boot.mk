# SPDX-License-Identifier: MIT
# Host tests of kernel/boot and of the ACPI reader, with sanitizers.

HOST_BOOT := $(BUILD)/host/kernel-boot
HOST_TESTS += $(HOST_BOOT)/test_memory $(HOST_BOOT)/test_acpi
HOST_BOOT_CFLAGS := -std=gnu17 -O1 -g -DFB_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
    -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wvla \
    -Ikernel -I$(BUILD)/gen -I.

$(HOST_BOOT)/test_memory: tests/kernel/boot/test_memory.c kernel/boot/memory.c kernel/boot/pvh.c \
    $(wildcard kernel/*/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_BOOT_CFLAGS) -o $@ $(filter %.c,$^)
$(HOST_BOOT)/test_acpi: tests/kernel/hal/test_acpi.c kernel/hal/x86_64/acpi.c \
    $(wildcard kernel/*/*.h kernel/hal/x86_64/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_BOOT_CFLAGS) -o $@ $(filter %.c,$^)
