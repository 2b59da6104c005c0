# SPDX-License-Identifier: MIT
# Host tests of the LibOS's room futex, over the host's stand-in.

LIBOS_FUTEX_TESTS := $(patsubst libos/%.c,$(BUILD)/host/%,$(wildcard libos/futex/test/test_*.c libos/futex/test/fuzz_*.c))
HOST_TESTS += $(LIBOS_FUTEX_TESTS)
$(LIBOS_FUTEX_TESTS): $(BUILD)/host/%: libos/%.c $(BUILD)/host/libos.a libos/futex/test/setup.h libos/core/host/host.h libos/core/test/check.h
	@mkdir -p $(@D)
	$(LIBOS_CC) $(LIBOS_HOST_CFLAGS) $(LIBOS_INCLUDES) -o $@ $< $(BUILD)/host/libos.a
