# SPDX-License-Identifier: MIT
# Host tests of the vfs and of pipes, over the host stand-in and tmpfs.

LIBOS_VFS_TESTS := $(patsubst libos/%.c,$(BUILD)/host/%,$(wildcard libos/vfs/test/test_*.c libos/vfs/test/fuzz_*.c libos/pipe/test/test_*.c libos/socket/test/test_*.c libos/pipe/test/fuzz_*.c))
HOST_TESTS += $(LIBOS_VFS_TESTS)
$(LIBOS_VFS_TESTS): $(BUILD)/host/%: libos/%.c $(BUILD)/host/libos.a libos/vfs/test/setup.h libos/core/host/host.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< $(BUILD)/host/libos.a
