# SPDX-License-Identifier: MIT
# The host test of kernel/ipc, with sanitizers.

HOST_IPC := $(BUILD)/host/kernel-ipc/test_ipc
HOST_IPC_SOURCES := $(wildcard kernel/ipc/*.c) kernel/slice/table.c $(wildcard tests/kernel/ipc/*.c)
HOST_TESTS += $(HOST_IPC)

$(HOST_IPC): $(HOST_IPC_SOURCES) $(wildcard kernel/*/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc -std=gnu17 -O1 -g -DFB_HOST -fsanitize=address,undefined -fno-sanitize-recover=all \
	    -Wall -Wextra -Werror -Wshadow -Wswitch-enum -Wvla -Ikernel -I$(BUILD)/gen -I. -o $@ $(HOST_IPC_SOURCES)
