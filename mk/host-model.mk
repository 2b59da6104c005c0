# SPDX-License-Identifier: MIT
# The reference model beside the kernel's own code, on the host; and the same with a fault in the model, which
# the driver has to find.  More sequences: build/host/model/model --seed N --count N.

HOST_MODEL := $(BUILD)/host/model
HOST_MODEL_KERNEL := kernel/base/epoch.c kernel/base/mem.c kernel/dev/irq.c kernel/event/event.c kernel/slice/table.c kernel/ipc/ipc.c kernel/ipc/wait.c kernel/call/call_ipc.c \
    $(wildcard kernel/cap/*.c kernel/frame/*.c kernel/space/*.c kernel/domain/*.c) \
    $(addprefix kernel/call/,call_cap.c call_space.c call_domain.c undo.c table.c call_control.c)
HOST_MODEL_SOURCES := $(addprefix tests/kernel/model/,host.c host_thread.c model.c model_space.c model_ipc.c driver.c compare.c) $(HOST_MODEL_KERNEL)
HOST_MODEL_CFLAGS := -std=gnu17 -O2 -g -DFB_HOST -Wall -Wextra -Werror -Wshadow -Wswitch-enum -Wvla -fno-strict-aliasing \
    -Ikernel -I$(BUILD)/gen -I.
HOST_TESTS += $(HOST_MODEL)/model

$(HOST_MODEL)/model: $(HOST_MODEL_SOURCES) $(wildcard kernel/*/*.h) $(wildcard tests/kernel/model/*.h) $(BUILD)/gen/abi/calls.h
	@mkdir -p $(@D)
	gcc $(HOST_MODEL_CFLAGS) -o $@ $(HOST_MODEL_SOURCES)
