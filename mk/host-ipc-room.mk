# SPDX-License-Identifier: MIT
# Host tests of the LibOS's room ipc, over the host's stand-in.  (host-ipc.mk is the kernel's.)

LIBOS_IPC_TESTS := $(patsubst libos/%.c,$(BUILD)/host/%,$(wildcard libos/ipc/test/test_*.c libos/ipc/test/fuzz_*.c))
HOST_TESTS += $(LIBOS_IPC_TESTS)
$(LIBOS_IPC_TESTS): $(BUILD)/host/%: libos/%.c $(BUILD)/host/libos.a libos/ipc/test/setup.h libos/core/host/host.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< $(BUILD)/host/libos.a
